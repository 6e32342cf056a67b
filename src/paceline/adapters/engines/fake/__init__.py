"""An engine without a model, for tests and demonstrations."""

from paceline.adapters.engines.fake.engine import Fake

__all__ = ["Fake"]
