"""Engines that are built from source, each beside a Python environment of its own."""

from paceline.adapters.environments.cmake.environments import CmakeEnvironments

__all__ = ["CmakeEnvironments"]
