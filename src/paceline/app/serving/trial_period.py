"""What is seen of a canary and of the version beside it, until one of them is chosen."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paceline.deploy.canary import Judgement, LatencyLimit, Observed, judge
from paceline.deploy.gateway.spool_reader import Position, read_spool
from paceline.records.deployment import Canary
from paceline.records.gateway import Ended, EndpointPulse

PROBE_EVERY_S: Final = 60.0
TIMES_KEPT: Final = 1000
ANSWERED: Final = (Ended.OK, Ended.ABORTED)
"""A client that leaves says nothing against a version; one that errs says nothing at all."""


@dataclass(slots=True)
class _Count:
    answered: int = 0
    failed: int = 0
    ttft_s: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES_KEPT))
    e2e_s: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES_KEPT))

    def observed(self) -> Observed:
        return Observed(
            answered=self.answered,
            failed=self.failed,
            ttft_s=tuple(self.ttft_s),
            e2e_s=tuple(self.e2e_s),
        )


class TrialPeriod:
    """Counts by version: TTFT from pulses, how requests ended and when from the usage spool."""

    def __init__(self, version: int, spool: Path, now_s: float) -> None:
        self.version = version
        self._spool = spool
        self._began_s = now_s
        self._probed_s = now_s
        self._probe_failed: str | None = None
        self._counts: dict[int, _Count] = {}
        self._position = end_of(spool)

    def saw(self, pulse: EndpointPulse) -> None:
        """Times to the first output."""
        for version, ttft_s in pulse.ttft_s:
            self._count(version).ttft_s.append(ttft_s)

    def probe_due(self, now_s: float) -> bool:
        """Whether to ask the quality probe again; once per interval."""
        if now_s - self._probed_s < PROBE_EVERY_S:
            return False
        self._probed_s = now_s
        return True

    def probed(self, failed: str | None) -> None:
        """What the probe found wrong, if anything."""
        self._probe_failed = failed

    def judge(
        self, plan: Canary, limits: Sequence[LatencyLimit], now_s: float, endpoint: str
    ) -> Judgement:
        """The verdict on what was seen so far."""
        self._read(endpoint)
        others = [count for version, count in self._counts.items() if version != self.version]
        stable = _Count()
        for other in others:
            stable.answered += other.answered
            stable.failed += other.failed
            stable.ttft_s.extend(other.ttft_s)
            stable.e2e_s.extend(other.e2e_s)
        return judge(
            self._count(self.version).observed(),
            stable.observed(),
            plan,
            served_s=now_s - self._began_s,
            limits=limits,
            probe_failed=self._probe_failed,
        )

    def _read(self, endpoint: str) -> None:
        found = read_spool(self._spool, self._position)
        self._position = found.position
        for line in found.lines:
            if line.endpoint != endpoint:
                continue
            if line.failed_version is not None:  # whoever answers it in the end
                self._count(line.failed_version).failed += 1
            if line.replica_id is not None:
                count = self._count(line.version)
                count.answered += line.ended in ANSWERED
                count.failed += line.ended is Ended.FAILED
                if line.ended is Ended.OK and line.ttft_s is None:
                    count.e2e_s.append(line.execution_s)

    def _count(self, version: int) -> _Count:
        return self._counts.setdefault(version, _Count())


def end_of(spool: Path) -> Position:
    """Behind everything that was written so far."""
    files = sorted(path.name for path in spool.glob("usage-*.jsonl"))
    position = Position(file=files[-1]) if files else Position()
    while True:
        found = read_spool(spool, position)
        if found.position == position:
            return position
        position = found.position
