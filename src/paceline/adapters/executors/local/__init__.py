"""Engines as processes of this machine."""

from paceline.adapters.executors.local.executor import LocalExecutor

__all__ = ["LocalExecutor"]
