"""Which pages are asked for, and that failures are gaps; the wire itself is in the e2e tests."""

from urllib.parse import urlsplit

import pytest

from paceline.adapters.telemetry.prometheus import Prometheus
from paceline.adapters.telemetry.prometheus.source import Fetcher, _paths
from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap

PAGE = "fake_server_requests_running 3\n"


@pytest.mark.parametrize(
    ("url", "paths"),
    [
        ("http://h:1", ["/metrics"]),
        ("http://h:1/v1", ["/metrics"]),
        ("http://h:1/model/v1/", ["/model/metrics", "/metrics"]),
    ],
)
def test_the_page_lies_beside_the_api_or_at_the_root(url: str, paths: list[str]) -> None:
    assert _paths(urlsplit(url)) == paths


def test_the_first_page_of_a_known_engine_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([TelemetryGap(source="prometheus", because="HTTP 404"), PAGE, PAGE])
    monkeypatch.setattr(Fetcher, "fetch", lambda _: next(pages))
    reader = Prometheus().open(Target(base_url="http://h:1/x/v1", model="m"))
    assert not isinstance(reader, TelemetryGap)
    assert reader.subject == "fake"
    found = reader.read()
    assert isinstance(found, Snapshot)
    assert found.gauges == {"requests_running": 3.0}


def test_without_a_page_the_gap_names_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([TelemetryGap(source="prometheus", because="HTTP 404"), "go_threads 3\n"])
    monkeypatch.setattr(Fetcher, "fetch", lambda _: next(pages))
    gap = Prometheus().open(Target(base_url="h:1/x", model="m"))
    assert isinstance(gap, TelemetryGap)
    assert gap.because == "/x/metrics: HTTP 404; /metrics: no engine known here"


def test_a_server_that_is_gone_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Fetcher) -> str:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(Fetcher, "_answer", refused)
    found = Fetcher(urlsplit("http://h:1"), "/metrics", api_key="k").fetch()
    assert isinstance(found, TelemetryGap)
    assert "nobody there" in found.because
