"""Weights in OpenVINO's intermediate representation."""

from paceline.adapters.weights.openvino.reader import OpenVinoReader

__all__ = ["OpenVinoReader"]
