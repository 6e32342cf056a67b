"""Text-to-image pipelines of Diffusers behind our own server."""

from paceline.adapters.engines.diffusers.engine import Diffusers

__all__ = ["Diffusers"]
