"""The user's own scorer, in a process of its own with hard limits."""

from paceline.adapters.quality.python_scorer.scorer import PythonScorer

__all__ = ["PythonScorer"]
