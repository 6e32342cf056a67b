"""Weights in safetensors: plain floats, and what compressed-tensors writes."""

from paceline.adapters.weights.safetensors.reader import SafetensorsReader

__all__ = ["SafetensorsReader"]
