"""Hugging Face's own server: the baseline that everybody starts from."""

from paceline.adapters.engines.transformers.engine import Transformers

__all__ = ["Transformers"]
