"""Engine environments made by uv."""

from paceline.adapters.environments.uv.environments import UvEnvironments

__all__ = ["UvEnvironments"]
