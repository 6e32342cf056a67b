"""Weights in GGUF files."""

from paceline.adapters.weights.gguf.reader import GgufReader

__all__ = ["GgufReader"]
