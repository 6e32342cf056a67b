"""What is known of a request from its admission on, for those who answer it and account for it."""

from paceline.deploy.gateway.ask import Ask
from paceline.deploy.gateway.connection import ClientConnection
from paceline.deploy.gateway.fleet import Replica
from paceline.deploy.gateway.heads import Request
from paceline.deploy.gateway.limits import KeyMeter, Reservation
from paceline.deploy.gateway.routes import Route
from paceline.deploy.gateway.trace_context import trace_parent
from paceline.deploy.gateway.upstream import Consumer
from paceline.records.gateway import EndpointRoute


class Served(Consumer):
    """One admitted request. Times are monotonic seconds.

    `served_by` is its endpoint as it was then; `replica` has it now or had it last; `reserved` is
    what its key's limits hold back for it; `failed_version` is the version of the replica that
    failed it last, before the client saw anything. `queue_s` and `cold_s` are what it waited with
    a replica ready and with none, `ttft_s` what passed from its arrival to the first byte of a
    stream.
    """

    __slots__ = (
        "ask",
        "client",
        "cold_s",
        "failed_version",
        "meter",
        "queue_s",
        "replica",
        "request",
        "request_id",
        "reserved",
        "route",
        "served_by",
        "started_s",
        "trace_parent",
        "ttft_s",
    )

    def __init__(  # noqa: PLR0917 - by keyword it takes more instructions per answer
        self,
        client: ClientConnection,
        request: Request,
        request_id: bytes,
        route: Route,
        ask: Ask,
        served_by: EndpointRoute,
        meter: KeyMeter | None,
        now_s: float,
    ) -> None:
        self.client = client
        self.request = request
        self.request_id = request_id
        self.route = route
        self.ask = ask
        self.served_by = served_by
        self.meter = meter
        self.reserved: Reservation | None = None
        self.replica: Replica | None = None
        self.started_s = now_s
        self.queue_s = self.cold_s = 0.0
        self.ttft_s: float | None = None
        self.failed_version: int | None = None
        traced = request.head.headers.get(b"traceparent")
        self.trace_parent = None if traced is None else trace_parent(traced)
