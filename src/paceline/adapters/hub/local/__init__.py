"""Models in local folders and installed packages, checked without loading a weight."""

from paceline.adapters.hub.local.hub import LocalHub

__all__ = ["LocalHub"]
