"""Starts engines on this machine, one process tree each, and makes sure that they end."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from paceline.adapters.executors.local.cards import find_cards, find_devices, only
from paceline.adapters.executors.local.inventory import find_cpu
from paceline.adapters.executors.local.orphans import end_orphans
from paceline.adapters.executors.local.ports import find_free_port
from paceline.adapters.executors.local.process import LocalServer
from paceline.ports.executor import Server
from paceline.records.hardware import Accelerator
from paceline.records.launch import LaunchSpec
from paceline.records.placement import Device
from paceline.scratch import remove_abandoned


class LocalExecutor:
    """An `Executor`. `data` is Paceline's data folder; nothing is kept there."""

    def __init__(self, data: Path | None = None) -> None:
        self._data = data
        # Ports are no part of a result: a seed would only make two runs collide.
        self._chance = random.SystemRandom()

    @property
    def name(self) -> str:
        return "local"

    def inventory(self) -> tuple[Accelerator, ...]:
        return (*find_cards(), find_cpu())

    def devices(self) -> tuple[Device, ...]:
        return find_devices()

    def confined(self, spec: LaunchSpec, devices: Sequence[str]) -> LaunchSpec:
        return replace(spec, env={**spec.env, **only(devices)})

    @contextmanager
    def start(self, build: Callable[[int], LaunchSpec], *, log_path: Path) -> Iterator[Server]:
        server = LocalServer(
            build, find_port=lambda: find_free_port(self._chance), log_path=log_path
        )
        try:
            yield server
        finally:
            server.stop()

    def sweep(self) -> tuple[int, ...]:
        ended = end_orphans()
        remove_abandoned()
        return ended
