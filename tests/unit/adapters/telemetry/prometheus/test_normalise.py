"""Pages as engines write them; `vllm`, `sglang` and `llamacpp` shortened to what is read."""

from pathlib import Path

import pytest

from paceline.adapters.telemetry.prometheus.normalise import dialect_of, snapshot_of
from paceline.records.telemetry import Snapshot, Times
from paceline.runtimes.image_server.metrics import ImageMetrics

PAGES = Path(__file__).parents[4] / "golden/metrics"


def snapshot(page: str, engine: str) -> Snapshot:
    text = (PAGES / page).read_text()
    dialect = dialect_of(text)
    assert dialect is not None
    assert dialect.engine == engine
    return snapshot_of(text, dialect, at_s=1.0)


def test_vllm() -> None:
    found = snapshot("vllm-0.32.txt", "vllm")
    assert found.gauges == {
        "requests_running": 8.0,  # two engines together
        "requests_waiting": 2.0,
        "kv_cache_usage": 0.75,  # the fuller one
    }
    assert found.counters["requests_finished"] == 100.0  # whatever the reason
    assert found.counters["speculation_tokens_accepted"] == 30.0
    assert set(found.histograms) == {times.value for times in Times} - {"inference"}
    ttft = found.histograms["ttft"]
    assert ttft.limits_s[:2] == (0.04, 0.1)
    assert (ttft.counts[-1], ttft.sum_s) == (100.0, 12.5)


def test_sglang() -> None:
    found = snapshot("sglang.txt", "sglang")
    assert (found.gauges["requests_running"], found.gauges["kv_cache_usage"]) == (161.0, 0.28)
    assert set(found.histograms) == {"ttft", "itl", "e2e"}


def test_llamacpp_has_no_histograms() -> None:
    found = snapshot("llamacpp.txt", "llama.cpp")
    assert found.gauges == {"requests_running": 4.0, "requests_waiting": 2.0}
    assert found.counters == {"prompt_tokens": 33065.0, "generation_tokens": 7801.0}
    assert found.histograms == {}


def test_our_own_server() -> None:
    found = snapshot("fake_server.txt", "fake")
    assert found.counters["requests_finished"] > 100
    assert set(found.histograms) == {"ttft", "tpot", "e2e"}


def test_the_image_server_as_it_writes_its_page_today() -> None:
    metrics = ImageMetrics()
    metrics.requests_running, metrics.requests_waiting = 2, 3
    metrics.images, metrics.batches = 12, 4
    metrics.finished |= {"done": 5, "abort": 1}
    metrics.request_s.observe(0.35)
    metrics.queue_s.observe(0.05)
    metrics.inference_s.observe(0.3)
    page = metrics.page().decode()
    dialect = dialect_of(page)
    assert dialect is not None and dialect.engine == "diffusers"
    found = snapshot_of(page, dialect, at_s=1.0)
    assert found.gauges == {"requests_running": 2.0, "requests_waiting": 3.0}
    assert found.counters == {"requests_finished": 6.0, "images": 12.0, "batches": 4.0}
    assert {name: times.sum_s for name, times in found.histograms.items()} == {
        "e2e": 0.35,
        "queue": 0.05,
        "inference": 0.3,
    }


@pytest.mark.parametrize("page", ["", "<html>404</html>", "go_goroutines 7\n"])
def test_a_page_of_nothing_known_is_nobodys(page: str) -> None:
    assert dialect_of(page) is None
