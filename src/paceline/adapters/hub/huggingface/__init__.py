"""The Hugging Face hub, or a mirror of it."""

from paceline.adapters.hub.huggingface.hub import HuggingFaceHub

__all__ = ["HuggingFaceHub"]
