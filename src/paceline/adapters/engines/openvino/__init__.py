"""OpenVINO GenAI on processors, behind our own server."""

from paceline.adapters.engines.openvino.engine import OpenVino

__all__ = ["OpenVino"]
