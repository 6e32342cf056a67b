"""The live things of one Paceline process, each made when it is first needed."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.app.hubs import AnyHub
from paceline.app.places import Places, find_places
from paceline.app.registry import adapter
from paceline.clock import Clock, SystemClock

if TYPE_CHECKING:  # ports bring in the records of every stage, and few commands use them all
    from paceline.app.lookup import Lookup
    from paceline.ports.archive import Archive
    from paceline.ports.environment import Environments
    from paceline.ports.executor import Executor
    from paceline.ports.fidelity import DistributionReader
    from paceline.ports.host import Host
    from paceline.ports.load import LoadGenerator
    from paceline.ports.quality import Evaluator, Suites
    from paceline.ports.store import Store
    from paceline.ports.telemetry import Telemetry


class Workshop:
    """Adapters by port. Making one does not start anything.

    `share_device` lets an optimization measure on a device that something else uses; `workspace`
    is in whose name it is made.
    """

    def __init__(
        self,
        places: Places | None = None,
        clock: Clock | None = None,
        *,
        share_device: bool = False,
        workspace: str = "default",
    ) -> None:
        self.share_device = share_device
        self.workspace = workspace
        self.places = places or find_places()
        self.clock: Clock = clock or SystemClock()

    @cached_property
    def store(self) -> "Store":
        make: Callable[[Path | str], Store] = adapter("stores", "sql")
        return make(self.places.database)

    @cached_property
    def archive(self) -> "Archive":
        make: Callable[[Path], Archive] = adapter("archives", "folder")
        return make(self.places.data)

    @cached_property
    def environments(self) -> "Environments":
        python: Callable[[Path], Environments] = adapter("environments", "uv")
        built: Callable[..., Environments] = adapter("environments", "cmake")
        return built(self.places.cache, python=python(self.places.cache))

    @cached_property
    def executor(self) -> "Executor":
        make: Callable[[Path], Executor] = adapter("executors", "local")
        return make(self.places.data)

    @cached_property
    def load(self) -> "LoadGenerator":
        make: Callable[[], LoadGenerator] = adapter("load", "openai_http")
        return make()

    @cached_property
    def evaluator(self) -> "Evaluator":
        make: Callable[[], Evaluator] = adapter("quality", "suites")
        return make()

    @cached_property
    def reader(self) -> "DistributionReader":
        make: Callable[[], DistributionReader] = adapter("quality", "fidelity")
        return make()

    @cached_property
    def suites(self) -> "Suites":
        make: Callable[[], Suites] = adapter("suites", "files")
        return make()

    @cached_property
    def hub(self) -> AnyHub:
        return AnyHub(self.places.cache)

    @cached_property
    def lookup(self) -> "Lookup":
        from paceline.app.lookup import Lookup  # noqa: PLC0415 - as the ports above

        return Lookup(self.hub)

    @cached_property
    def host(self) -> "Host":
        make: Callable[[], Host] = adapter("hosts", "linux")
        return make()

    @cached_property
    def accelerator_telemetry(self) -> "Telemetry":
        """Of this machine's devices alone."""
        make: Callable[[], Telemetry] = adapter("telemetry", "nvidia")
        return make()

    @cached_property
    def telemetry(self) -> "tuple[Telemetry, ...]":
        """What can be read beside a load, in the order in which it is shown."""
        makers: list[Callable[[], Telemetry]] = [
            adapter("telemetry", name) for name in ("prometheus", "nvidia", "host")
        ]
        return tuple(make() for make in makers)
