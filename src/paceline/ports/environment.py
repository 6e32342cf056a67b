"""The Environments port: where engines are installed."""

from typing import Protocol

from paceline.ports.engine import Say
from paceline.records.launch import Environment, EnvironmentSpec, EnvironmentStatus


class Environments(Protocol):
    """Makes and finds the isolated environments that engines run in."""

    def status(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        """What is there, without changing anything."""
        ...

    def check(self, spec: EnvironmentSpec) -> EnvironmentStatus:
        """Like `status`, and compares what is installed with what was (seconds)."""
        ...

    def install(self, spec: EnvironmentSpec, *, say: Say) -> Environment:
        """The environment, made when absent (network, minutes).

        Raises SetupError: no network, disk full, cache not writable, conflicting pins.
        """
        ...
