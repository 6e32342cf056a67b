"""Next-token distributions over the OpenAI HTTP API."""

from paceline.adapters.quality.fidelity.reader import LogprobReader

__all__ = ["LogprobReader"]
