"""Paceline: measure, rank and serve the best variant of your model."""

__version__ = "0.1.0"
__all__ = ["__version__"]
