"""Suites of checkable items: read from files, asked over the OpenAI HTTP API."""

from paceline.adapters.quality.suites.evaluate import SuiteEvaluator
from paceline.adapters.quality.suites.shelf import SuiteShelf

__all__ = ["SuiteEvaluator", "SuiteShelf"]
