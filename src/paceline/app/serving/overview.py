"""What `paceline serve` knows now, for the threads of its API: they never wait for the store."""

from dataclasses import dataclass

from paceline.records.access import ApiKey
from paceline.records.deployment import EndpointStatus, ReplicaRecord
from paceline.records.telemetry import ProcessUse


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaUse:
    """What the processes of a replica take."""

    replica_id: str
    endpoint: str
    version: int
    use: ProcessUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything at one moment. `starts` has the latest cold start of each endpoint.

    `replicas` are those that have their devices. `keys` are those of both purposes as last read.
    """

    statuses: tuple[EndpointStatus, ...] = ()
    starts: tuple[ReplicaRecord, ...] = ()
    replicas: tuple[ReplicaRecord, ...] = ()
    uses: tuple[ReplicaUse, ...] = ()
    keys: tuple[ApiKey, ...] = ()
    store_away: bool = False


class Noticeboard:
    """The deciding thread pins an overview once a second; others read the latest."""

    def __init__(self) -> None:
        self._latest = Overview()

    def pin(self, overview: Overview) -> None:
        """Put it in place of the one before; a reader has the one or the other, whole."""
        self._latest = overview

    @property
    def latest(self) -> Overview:
        """Empty until `paceline serve` has begun."""
        return self._latest
