"""Windows and fleets to write tests of scaling decisions with."""

from paceline.records.scaling import Fleet, Memory, Replica, ServicePoint
from paceline.records.traffic import Window

REPLICA = Replica(
    concurrency=32,
    cold_start_s=45.0,
    usd_per_hour=2.0,
    service=(
        ServicePoint(concurrency=1, ttft_ms=50, tpot_ms=8),
        ServicePoint(concurrency=32, ttft_ms=250, tpot_ms=16),
    ),
)
"""The target of the designed policy is 24 in flight."""


def window(
    serving: float = 0.0,
    *,
    waiting: float = 0.0,
    recent: float | None = None,
    service_s: float = 2.0,
    waits_s: tuple[float, ...] = (),
    seconds: int = 60,
) -> Window:
    """A minute of steady load, its last six seconds `recent` when that is given."""
    last = serving if recent is None else recent
    loads = (*(serving for _ in range(seconds - 6)), *(last for _ in range(6)))
    flow = tuple(round(load / service_s) for load in loads)
    return Window(
        serving=loads,
        waiting=tuple(waiting for _ in loads),
        arrivals=flow,
        ended=flow,
        waits_s=waits_s,
        in_flight=round(last),
        queued=round(waiting),
    )


def fleet(
    wanted: int,
    *,
    ready: int | None = None,
    starting: int = 0,
    stopping: int = 0,
    idle_s: tuple[float, ...] = (),
    memory: Memory | None = None,
    replica: Replica = REPLICA,
) -> Fleet:
    """A fleet, all ready unless said otherwise, watched for long enough to decide anything."""
    return Fleet(
        replica=replica,
        wanted=wanted,
        ready=wanted - starting if ready is None else ready,
        starting=starting,
        stopping=stopping,
        idle_s=idle_s,
        memory=memory or Memory(clock_s=1000.0, seen_s=5000.0),
    )


NOW_S = 5001.0
"""One second after the memory of `fleet`."""
