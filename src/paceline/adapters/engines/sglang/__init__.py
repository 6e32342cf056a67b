"""SGLang on NVIDIA cards."""

from paceline.adapters.engines.sglang.engine import Sglang

__all__ = ["Sglang"]
