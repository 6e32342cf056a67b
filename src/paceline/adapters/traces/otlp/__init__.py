"""Spans to any collector that speaks OTLP over HTTP, by OpenTelemetry's own package."""

from paceline.adapters.traces.otlp.sink import OtlpSink

__all__ = ["OtlpSink"]
