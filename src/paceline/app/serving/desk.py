"""What a fleet works with: clock, journal, facts of versions, devices, and keepers for replicas."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from paceline.app.serving.devices import DeviceLock
from paceline.app.serving.facts import (
    STARTS_REMEMBERED,
    VersionFacts,
    cold_starts_s,
    learn,
    with_starts,
)
from paceline.app.serving.journal import Journal
from paceline.app.serving.keeper import Keeper, Preparation, Told
from paceline.app.serving.trial_period import TrialPeriod
from paceline.app.wiring import Workshop
from paceline.clock import Clock
from paceline.deploy.placement import place
from paceline.errors import CapacityError, Code, PacelineError
from paceline.ports.devices import HasDevices
from paceline.records.placement import Placement


class Desk:
    """Shared by all fleets of one `paceline serve`; used by its deciding thread.

    Only `learn` is for the thread that talks to the store: what is known of a version is read
    there, so that a store that is slow or away delays no decision.
    """

    def __init__(
        self, shop: Workshop, journal: Journal, *, spool: Path, tell: Callable[[Told], None]
    ) -> None:
        self.clock: Clock = shop.clock
        self.journal = journal
        self._shop = shop
        self._spool = spool
        self._tell = tell
        self._accelerators = {place.name: place for place in shop.executor.inventory()}
        self._learned: dict[tuple[str, int], VersionFacts] = {}
        self._unread: dict[tuple[str, int], PacelineError | None] = {}
        """Versions that somebody asked for, with what was in the way of reading them."""
        self._starts_s: dict[tuple[str, int], list[float]] = {}
        self._preparations: dict[tuple[str, int], Preparation] = {}
        self._locks: dict[str, DeviceLock] = {}
        executor = shop.executor
        self._devices = executor.devices() if isinstance(executor, HasDevices) else ()
        self._held: dict[str, tuple[str, ...]] = {}
        # Keepers use these from threads of their own; made here, they are made once.
        _ = shop.environments, shop.load, shop.evaluator

    def facts(self, pipeline: str, version: int) -> VersionFacts | None:
        """What its run measured and its starts since took; `None` until that was read.

        Raises PacelineError when it could not be read; it is tried again.
        """
        same = (pipeline, version)
        if same in self._learned:
            return with_starts(self._learned[same], self._starts_s[same])
        failed = self._unread.get(same)
        self._unread[same] = None
        if failed is not None:
            raise failed
        return None

    def learn(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Read what is asked for, and these versions of pipelines if that was not done before."""
        asked = (same for same, failed in list(self._unread.items()) if failed is None)
        for same in dict.fromkeys((*asked, *wanted)):
            if same in self._learned:
                continue
            try:
                learned = learn(*same, self._shop)
                starts_s = list(cold_starts_s(learned.version, self._shop))
            except PacelineError as error:
                self._unread[same] = error
            else:
                self._starts_s[same] = starts_s
                self._learned[same] = learned
                self._unread.pop(same, None)

    def started(self, pipeline: str, version: int, took_s: float) -> None:
        """A replica of it came to serve; remembered here, for the store may be away."""
        starts_s = self._starts_s.get((pipeline, version))
        if starts_s is not None:
            starts_s.insert(0, took_s)
            del starts_s[STARTS_REMEMBERED:]

    def place(self, replica_id: str, facts: VersionFacts) -> Placement:
        """Devices for a new replica, held until `freed`; none where the machine has no choice.

        Raises CapacityError when it needs more than there are.
        """
        variant = facts.version.variant
        held = Counter(device for devices in self._held.values() for device in devices)
        found = place(self._devices, held, accelerator=variant.accelerator, count=variant.count)
        if found is None:
            return Placement(devices=(), because="it may start")
        if not found.devices:
            raise CapacityError(
                Code.DEVICE_BUSY,
                f"version {facts.version.number} does not fit this machine",
                why=found.because,
                fix="optimize for this machine, or serve where there are as many",
            )
        self._held[replica_id] = found.devices
        return found

    def freed(self, replica_id: str) -> None:
        """Its process is gone."""
        self._held.pop(replica_id, None)

    def keeper(
        self, replica_id: str, endpoint: str, facts: VersionFacts, devices: tuple[str, ...]
    ) -> Keeper:
        """For a new replica. Raises PacelineError when its engine cannot be loaded."""
        version = facts.version
        same = (version.pipeline, version.number)
        if same not in self._preparations:
            self._preparations[same] = Preparation(facts, self._shop)
        return Keeper(
            replica_id,
            facts,
            self._preparations[same],
            self._shop,
            accelerator=self._accelerators[facts.accelerator],
            devices=devices,
            log_path=self._shop.places.logs / "endpoints" / endpoint / f"{replica_id}.log",
            tell=self._tell,
        )

    def device_busy(self, accelerator: str) -> str | None:
        """Why nothing can start on it; `None` when it is held for replicas now."""
        if accelerator not in self._accelerators:
            return f"this machine has no {accelerator!r}"
        lock = self._locks.setdefault(
            accelerator, DeviceLock(self._shop.places.data / "devices", accelerator)
        )
        if lock.hold_shared():
            return None
        return (
            f"{lock.holder()} has {accelerator!r} alone;"
            " `paceline deploy … --share-device` would start beside it"
        )

    def release_devices(self, in_use: frozenset[str]) -> None:
        """Let go of those that no replica is on."""
        for accelerator, lock in self._locks.items():
            if accelerator not in in_use:
                lock.release()

    def trial_period(self, version: int, now_s: float) -> TrialPeriod:
        """For a canary that was just admitted."""
        return TrialPeriod(version, self._spool, now_s)
