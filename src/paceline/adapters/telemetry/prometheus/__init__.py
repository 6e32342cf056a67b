"""`/metrics` of vLLM, SGLang, llama.cpp and our own servers, under one set of names."""

from paceline.adapters.telemetry.prometheus.source import Prometheus

__all__ = ["Prometheus"]
