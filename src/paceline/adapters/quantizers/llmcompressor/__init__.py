"""Checkpoints for vLLM, SGLang and transformers, made with llmcompressor."""

from paceline.adapters.quantizers.llmcompressor.quantizer import LlmCompressor

__all__ = ["LlmCompressor"]
