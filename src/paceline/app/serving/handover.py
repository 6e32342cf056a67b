"""What the gateway knows of an endpoint's replicas: by the table that its pulses name.

A replica that was admitted gets requests, and one that drains gets no more, only once the gateway
has a table that says so; until then nobody may be told otherwise.
"""

from collections.abc import Iterable

from paceline.app.serving.replica import Replica
from paceline.records.deployment import ReplicaState


class Handover:
    """Tables by their revisions, as sent and as the gateway has them."""

    def __init__(self) -> None:
        self._in_force = 0

    def sent(self, replicas: Iterable[Replica], revision: int) -> None:
        """This is the latest table; it shows every replica as it is."""
        for one in replicas:
            if one.table_revision is None:
                one.table_revision = revision

    def in_force(self, replicas: Iterable[Replica], revision: int) -> None:
        """The gateway serves by this table: what drains and has nothing in flight is done."""
        self._in_force = revision
        for one in replicas:
            if one.state is ReplicaState.DRAINING and self._shown(one) and not one.in_flight:
                one.drained("nothing is in flight")

    def lost(self, replicas: Iterable[Replica]) -> None:
        """The gateway died, and every connection with it."""
        for one in replicas:
            one.in_flight = 0
            if one.state is ReplicaState.DRAINING:
                one.drained("the gateway died, and what was in flight with it")

    def overdue(self, replicas: Iterable[Replica], now_s: float, limit_s: float) -> None:
        """What has drained for too long is ended with what it has in flight."""
        for one in replicas:
            if one.state is ReplicaState.DRAINING and one.drain_began_s is not None:
                took_s = now_s - one.drain_began_s
                if took_s > limit_s:
                    one.drained(f"{one.in_flight} still in flight after {limit_s:g} s")

    def serves(self, one: Replica) -> bool:
        """Whether it gets requests for sure."""
        return one.state is ReplicaState.SERVING and self._shown(one)

    def may_get_more(self, one: Replica) -> bool:
        """Whether the gateway may give it a new request yet."""
        if one.state is ReplicaState.DRAINING:
            return not self._shown(one)
        return one.state is ReplicaState.SERVING

    def _shown(self, one: Replica) -> bool:
        return one.table_revision is not None and one.table_revision <= self._in_force
