"""What requests had of accelerators, and what nobody had: seconds and cost, by group.

A replica has its devices from its launch to its end. That time, times their number, is divided
among its requests (`paceline.deploy.shares`); what is left, cold start and idle time, is its
version's. A card that two replicas share counts for both. Requests count in the time in which they
ended, so that a period has the whole of what was under way at its beginning.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from paceline.app.serving.lock import is_served, last_seen_s
from paceline.app.wiring import Workshop
from paceline.money import usd_for
from paceline.records.deployment import ReplicaRecord
from paceline.records.usage import ReplicaShare, UsageBy

PROCESSOR: Final = "cpu"
ACCELERATOR_S: Final = "accelerator-seconds"
REPLICA_S: Final = "replica-seconds"
"""Of a processor, which replicas do not have to themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """Seconds of one type of accelerator, and what they cost (`None`: no price was known).

    `rest_s` is the time of the group's replicas that no request had; `None` for groups that have
    no replicas of their own.
    """

    accelerator: str
    requests_s: float
    requests_usd: float | None
    rest_s: float | None = None
    rest_usd: float | None = None

    @property
    def unit(self) -> str:
        """What the seconds are called."""
        return REPLICA_S if self.accelerator == PROCESSOR else ACCELERATOR_S


@dataclass(slots=True)
class _Sum:
    seconds: float = 0.0
    usd: float | None = 0.0

    def add(self, replica_s: float, replica: ReplicaRecord) -> None:
        self.seconds += replica_s * replica.device_count
        if self.usd is not None:
            price = replica.usd_per_hour
            self.usd = None if price is None else self.usd + usd_for(replica_s, price)


def device_times(
    shop: Workshop, *, by: UsageBy, since_s: float
) -> Mapping[str, Sequence[DeviceTime]]:
    """By group; a version or an endpoint that only idled is there, too."""
    replicas = {one.replica_id: one for one in shop.store.deployments.replicas()}
    shares = shop.store.access.replica_shares(by=by, since_s=since_s)
    had = _sums(shares, replicas)
    rest: dict[tuple[str, str], _Sum] = {}
    if by in (UsageBy.ENDPOINT, UsageBy.VERSION):
        rest = _rest(shares, replicas, by=by, since_s=since_s, alive_until_s=_alive_until_s(shop))
    found: dict[str, list[DeviceTime]] = {}
    for group, accelerator in sorted({*had, *rest}):
        requests, left = had.get((group, accelerator), _Sum()), rest.get((group, accelerator))
        found.setdefault(group, []).append(
            DeviceTime(
                accelerator=accelerator,
                requests_s=requests.seconds,
                requests_usd=requests.usd,
                rest_s=None if left is None else left.seconds,
                rest_usd=None if left is None else left.usd,
            )
        )
    return found


def device_time_document(time: DeviceTime) -> dict[str, object]:
    """As JSON."""
    return {
        "accelerator": time.accelerator,
        "unit": time.unit,
        "requests": round(time.requests_s, 3),
        "requests_usd": time.requests_usd,
        "rest": None if time.rest_s is None else round(time.rest_s, 3),
        "rest_usd": time.rest_usd,
    }


def _sums(
    shares: Iterable[ReplicaShare], replicas: Mapping[str, ReplicaRecord]
) -> dict[tuple[str, str], _Sum]:
    """By group and accelerator."""
    sums: dict[tuple[str, str], _Sum] = {}
    for share in shares:
        replica = replicas.get(share.replica_id)
        if replica is None:  # its record waits for a store that was away
            continue
        sums.setdefault((share.group, replica.accelerator), _Sum()).add(share.replica_s, replica)
    return sums


def _rest(
    shares: Iterable[ReplicaShare],
    replicas: Mapping[str, ReplicaRecord],
    *,
    by: UsageBy,
    since_s: float,
    alive_until_s: float,
) -> dict[tuple[str, str], _Sum]:
    """By group and accelerator; nothing of replicas whose launch is not on record."""
    had_s: dict[str, float] = {}
    for share in shares:
        had_s[share.replica_id] = had_s.get(share.replica_id, 0.0) + share.replica_s
    sums: dict[tuple[str, str], _Sum] = {}
    for replica in replicas.values():
        lived_s = _lived_s(replica, since_s, alive_until_s)
        if lived_s is None:
            continue
        group = replica.endpoint
        if by is UsageBy.VERSION:
            group = f"{replica.endpoint}@{replica.version}"
        left_s = max(lived_s - had_s.get(replica.replica_id, 0.0), 0.0)
        sums.setdefault((group, replica.accelerator), _Sum()).add(left_s, replica)
    return sums


def _lived_s(replica: ReplicaRecord, since_s: float, alive_until_s: float) -> float | None:
    """How long it had its devices in the time; `None` when it did not."""
    if replica.launched_at_utc is None:
        return None
    launched_s = datetime.fromisoformat(replica.launched_at_utc).timestamp()
    ended_s = alive_until_s
    if replica.ended_at_utc is not None:
        ended_s = datetime.fromisoformat(replica.ended_at_utc).timestamp()
    lived_s = ended_s - max(launched_s, since_s)
    return lived_s if lived_s > 0 else None


def _alive_until_s(shop: Workshop) -> float:
    """Of those that are not on record as ended: now, unless their `paceline serve` was killed."""
    now_s = shop.clock.utc_now().timestamp()
    data = shop.places.data
    seen_s = None if is_served(data) else last_seen_s(data)
    return now_s if seen_s is None else min(now_s, seen_s)
