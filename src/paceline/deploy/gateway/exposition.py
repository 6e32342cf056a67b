"""The gateway's metrics as a Prometheus page; names and meanings are in docs/reference/http.md."""

from collections.abc import Iterable, Iterator

from paceline.deploy.gateway.breaker import BreakerState
from paceline.deploy.gateway.dispatch import Dispatcher
from paceline.deploy.gateway.exchange import Exchange
from paceline.deploy.gateway.fleet import Endpoint, Fleet
from paceline.deploy.gateway.front import Front
from paceline.deploy.gateway.spool import Spool
from paceline.deploy.gateway.tally import Histogram

PREFIX = "paceline_gateway_"
Labels = dict[str, str]
Sample = tuple[Labels, int]


def render(
    fleet: Fleet[Exchange], front: Front, dispatcher: Dispatcher, spool: Spool, *, compiled: bool
) -> str:
    """All metrics, in the text format 0.0.4."""
    endpoints = [(_labels(one), one) for one in fleet.endpoints.values()]
    lines = [
        *_metric("compiled", "gauge", [({}, int(compiled))]),
        *_process(front, dispatcher, spool, fleet),
        *_counts(endpoints),
        *_gauges(endpoints),
        *_histograms(endpoints),
        *_replicas(endpoints),
    ]
    return "\n".join(lines) + "\n"


def _process(
    front: Front, dispatcher: Dispatcher, spool: Spool, fleet: Fleet[Exchange]
) -> Iterator[str]:
    yield from _metric("connections", "gauge", [({}, len(front.connections))])
    yield from _metric("requests_in_progress", "gauge", [({}, len(dispatcher.active))])
    yield from _metric("buffered_bytes", "gauge", [({}, front.buffered_bytes)])
    yield from _metric("table_revision", "gauge", [({}, fleet.table.revision)])
    yield from _metric("usage_waiting_bytes", "gauge", [({}, spool.waiting_bytes)])
    yield from _metric("usage_lost_lines_total", "counter", [({}, spool.lost_lines)])
    refused = [({"status": str(status)}, count) for status, count in front.problems.items()]
    yield from _metric("refused_total", "counter", refused)


Labelled = list[tuple[Labels, Endpoint[Exchange]]]


def _counts(endpoints: Labelled) -> Iterator[str]:
    yield from _metric(
        "arrivals_total", "counter", [(labels, one.tally.arrivals) for labels, one in endpoints]
    )
    yield from _metric(
        "requests_total",
        "counter",
        [
            (labels | {"status": str(status)}, count)
            for labels, one in endpoints
            for status, count in one.tally.statuses.items()
        ],
    )
    yield from _metric(
        "ended_total",
        "counter",
        [
            (labels | {"ended": how.value}, count)
            for labels, one in endpoints
            for how, count in one.tally.ended.items()
            if count
        ],
    )
    yield from _metric(
        "errors_total", "counter", [(labels, one.tally.errors) for labels, one in endpoints]
    )
    yield from _metric(
        "tokens_total",
        "counter",
        [
            (labels | {"kind": kind}, count)
            for labels, one in endpoints
            for kind, count in (
                ("input", one.tally.input_tokens),
                ("output", one.tally.output_tokens),
            )
        ],
    )
    yield from _metric(
        "retries_total", "counter", [(labels, one.tally.retries) for labels, one in endpoints]
    )


def _gauges(endpoints: Labelled) -> Iterator[str]:
    yield from _metric("in_flight", "gauge", [(labels, one.in_flight) for labels, one in endpoints])
    yield from _metric("queued", "gauge", [(labels, len(one.queue)) for labels, one in endpoints])


def _histograms(endpoints: Labelled) -> Iterator[str]:
    for name in ("queue", "cold_start", "ttft", "execution", "overhead"):
        yield f"# TYPE {PREFIX}{name}_seconds histogram"
        for labels, endpoint in endpoints:
            tally = endpoint.tally
            histogram = {
                "queue": tally.queue,
                "cold_start": tally.cold_start,
                "ttft": tally.ttft,
                "execution": tally.execution,
                "overhead": tally.overhead,
            }[name]
            yield from _buckets(f"{PREFIX}{name}_seconds", labels, histogram)


def _replicas(endpoints: Labelled) -> Iterator[str]:
    replicas = [
        (labels | {"replica": replica.replica_id}, replica)
        for labels, endpoint in endpoints
        for replica in endpoint.replicas
    ]
    yield from _metric(
        "replica_in_flight", "gauge", [(labels, one.in_flight) for labels, one in replicas]
    )
    yield from _metric(
        "replica_capacity", "gauge", [(labels, one.capacity) for labels, one in replicas]
    )
    yield from _metric(
        "replica_ejected",
        "gauge",
        [(labels, one.breaker.state is not BreakerState.CLOSED) for labels, one in replicas],
    )


def _metric(name: str, kind: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE {PREFIX}{name} {kind}"
    for labels, value in samples:
        yield f"{PREFIX}{name}{_braces(labels)} {value:d}"


def _buckets(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    count = 0
    bounds = (*(f"{bound:g}" for bound in histogram.bounds), "+Inf")
    for bound, added in zip(bounds, histogram.counts, strict=True):
        count += added
        yield f"{name}_bucket{_braces(labels | {'le': bound})} {count}"
    yield f"{name}_sum{_braces(labels)} {histogram.total:.9g}"
    yield f"{name}_count{_braces(labels)} {count}"


def _labels(endpoint: Endpoint[Exchange]) -> Labels:
    return {"workspace": endpoint.route.workspace, "endpoint": endpoint.route.name}


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
