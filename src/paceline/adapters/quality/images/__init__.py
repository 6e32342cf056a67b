"""Evaluator that asks for pictures."""

from paceline.adapters.quality.images.painter import ImageEvaluator

__all__ = ["ImageEvaluator"]
