"""What the supervisor is told several times a second, taken from the live counts."""

from paceline.deploy.gateway.breaker import BreakerState
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.fleet import Endpoint, Fleet, Replica
from paceline.records.gateway import Ended, EndpointPulse, Pulse, ReplicaPulse


def take_pulse(
    fleet: Fleet[Exchange], *, now_s: float, wall_s: float, usage_waiting_bytes: int
) -> Pulse:
    """The state now and the counts since the last pulse, which begin anew."""
    endpoints = fleet.endpoints.values()
    return Pulse(
        revision=fleet.table.revision,
        at_s=wall_s,
        endpoints=tuple(_endpoint_pulse(one, now_s) for one in endpoints),
        replicas=tuple(
            _replica_pulse(replica, now_s) for one in endpoints for replica in one.replicas
        ),
        usage_waiting_bytes=usage_waiting_bytes,
    )


def _endpoint_pulse(endpoint: Endpoint[Exchange], now_s: float) -> EndpointPulse:
    tally = endpoint.tally
    oldest_s = endpoint.queue.oldest_s()
    pulse = EndpointPulse(
        name=endpoint.route.name,
        in_flight=endpoint.in_flight,
        queued=len(endpoint.queue),
        oldest_wait_s=0.0 if oldest_s is None else now_s - oldest_s,
        arrivals=tally.arrivals - tally.arrivals_before,
        ended=tuple(
            (how, tally.ended[how] - tally.ended_before[how])
            for how in Ended
            if tally.ended[how] > tally.ended_before[how]
        ),
        waits_s=tuple(tally.waits_s),
        ttft_s=tuple(tally.ttft_s),
    )
    tally.arrivals_before = tally.arrivals
    tally.ended_before = dict(tally.ended)
    tally.waits_s, tally.ttft_s = [], []
    return pulse


def _replica_pulse(replica: Replica, now_s: float) -> ReplicaPulse:
    return ReplicaPulse(
        replica_id=replica.replica_id,
        in_flight=replica.in_flight,
        ejected=replica.breaker.state is not BreakerState.CLOSED,
        idle_s=0.0 if replica.in_flight else now_s - replica.idle_since_s,
    )
