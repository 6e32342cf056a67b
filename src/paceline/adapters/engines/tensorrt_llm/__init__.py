"""TensorRT-LLM's server on NVIDIA cards; unverified until it has run on one."""

from paceline.adapters.engines.tensorrt_llm.engine import TensorRtLlm

__all__ = ["TensorRtLlm"]
