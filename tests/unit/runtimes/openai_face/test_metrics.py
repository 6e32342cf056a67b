"""The metrics page is what Prometheus reads."""

from paceline.runtimes.openai_face.metrics import Histogram, ServerMetrics


def test_buckets_are_cumulative_and_end_with_everything() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert list(histogram.lines("x")) == [
        'x_bucket{le="0.1"} 2',
        'x_bucket{le="1"} 3',
        'x_bucket{le="+Inf"} 4',
        "x_sum 7.65",
        "x_count 4",
    ]


def test_every_series_has_its_type_and_prefix() -> None:
    metrics = ServerMetrics("some_server")
    metrics.generation_tokens = 7
    metrics.finished["stop"] = 2
    page = metrics.page().decode()
    assert "some_server_generation_tokens_total 7\n" in page
    assert 'some_server_requests_finished_total{reason="stop"} 2\n' in page
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    for line in page.splitlines():
        if not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            assert any(name.startswith(known) for known in names)
            assert name.startswith("some_server_")
