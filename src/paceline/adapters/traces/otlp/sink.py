"""Spans in batches, from a thread of OpenTelemetry's; what a collector does not take is dropped.

Headers, certificates, batch sizes and resource attributes come from its environment variables
(`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from paceline.errors import Code, SpecError
from paceline.records.span import Span

PATH: Final = "/v1/traces"
TIMEOUT_S: Final = 5.0
CLOSE_MS: Final = 5_000
NS_PER_S: Final = 1e9
HEX: Final = 16
SCOPE: Final = InstrumentationScope("paceline")


class OtlpSink:
    """A `TraceSink`. `url` is a collector's, with or without the path of traces."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.netloc:
            raise SpecError(
                Code.BAD_OPTION,
                f"--traces {url!r} is no URL of a collector",
                why="spans go there by OTLP over HTTP",
                fix="--traces http://127.0.0.1:4318",
            )
        endpoint = url if place.path.strip("/") else url.rstrip("/") + PATH
        self._resource = Resource.create({"service.name": "paceline"})
        self._batches = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_S), export_timeout_millis=CLOSE_MS
        )

    def take(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._batches.on_end(self._readable(span))

    def close(self) -> None:
        self._batches.force_flush(CLOSE_MS)
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # theirs

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id, remote=False),
            parent=None
            if span.parent_id is None
            else _context(span.trace_id, span.parent_id, remote=span.entry),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=SpanKind.SERVER if span.entry else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=round(span.start_s * NS_PER_S),
            end_time=round(span.end_s * NS_PER_S),
            instrumentation_scope=SCOPE,
        )


def _context(trace_id: str, span_id: str, *, remote: bool) -> SpanContext:
    return SpanContext(
        trace_id=int(trace_id, HEX),
        span_id=int(span_id, HEX),
        is_remote=remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
