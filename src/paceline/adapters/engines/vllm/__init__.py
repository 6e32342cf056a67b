"""vLLM on processors and on NVIDIA cards."""

from paceline.adapters.engines.vllm.engine import Vllm

__all__ = ["Vllm"]
