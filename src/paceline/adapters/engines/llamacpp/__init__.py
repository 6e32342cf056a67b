"""llama.cpp's `llama-server` on processors, with GGUF checkpoints made here."""

from paceline.adapters.engines.llamacpp.engine import LlamaCpp

__all__ = ["LlamaCpp"]
