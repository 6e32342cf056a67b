"""lm-evaluation-harness, through the endpoint, in an environment of its own."""

from paceline.adapters.quality.lm_eval.harness import LmEval

__all__ = ["LmEval"]
