"""A `paceline serve` under test, and versions to deploy without measuring anything first."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from tests.e2e.conftest import Paceline

from paceline.adapters.hub.local import LocalHub
from paceline.adapters.quality.suites import SuiteShelf
from paceline.adapters.stores.sql import SqlStore
from paceline.records.measurement import Metric
from paceline.records.plan import Plan
from paceline.records.quality import ItemScore, QualityResult
from paceline.records.ranking import Ranked, Ranking
from paceline.records.run import RunRecord, RunResult, RunState
from paceline.records.trial import BlobRef
from paceline.records.variant import Variant
from paceline.records.version import Version
from paceline.testing.builders import a_request, a_trial, a_variant, a_workload

NOON = "2026-01-01T12:00:00+00:00"
WITHIN_S = 180.0
"""Seconds on a quiet machine; only a test that fails waits so long."""

QUICK = """
version: 1
bounds: {max_replicas: 2}
settings: {stable: 1s, burst: 1s, burst_hold: 0s, down_after: 0s, idle_timeout: 1s}
"""
"""Idle within seconds; otherwise the designed policy."""


def plant_version(
    paceline: Paceline,
    model: str,
    variant: Variant | None = None,
    *,
    concurrency: int = 4,
    suite: Path | None = None,
) -> int:
    """A finished run of the pipeline `demo` with one measured variant, and its version.

    It has answered every item of `suite` rightly.
    """
    variant = variant or a_variant()
    paceline.data.mkdir(parents=True, exist_ok=True)
    cache = Path(paceline.env.get("PACELINE_CACHE") or Path.home() / ".cache/paceline")
    store = SqlStore(paceline.env.get("PACELINE_DATABASE") or paceline.data / "paceline.db")
    try:
        number = len([v for p in store.pipelines() for v in store.versions(p.name)]) + 1
        request = replace(a_request(workload=a_workload(concurrency=concurrency)), model=model)
        run = RunRecord(
            run_id=f"2026010{number}-120000-ab12",
            request=replace(request, pipeline="demo"),
            model=replace(
                LocalHub(cache).find(model), suite_path=None if suite is None else str(suite)
            ),
            software_version="0.1.0",
            created_at_utc=NOON,
        )
        store.create_run(run)
        with store.write_run(run.run_id) as writer:
            writer.save_plan(Plan(baseline=variant, variants=(variant,), rejected=()))
            writer.move(RunState.PLANNED, RunState.RUNNING)
            if suite is not None:
                writer.save_trial(a_trial(variant, quality=_all_right(suite)))
            writer.finish(_result(variant))
        version = Version(
            pipeline="demo",
            number=0,
            run_id=run.run_id,
            variant=variant,
            receipt_sha256="ab",
            created_at_utc=NOON,
        )
        return store.add_version(version).number
    finally:
        store.close()


def _all_right(path: Path) -> QualityResult:
    suite = SuiteShelf().find(str(path))
    return QualityResult(
        suite=suite.name,
        suite_sha256=suite.sha256,
        items=tuple(
            ItemScore(item_id=item.item_id, category=item.category, score=1.0, answer="")
            for item in suite.items
        ),
        score=1.0,
        by_category={},
        ci95=None,
    )


def _result(variant: Variant) -> RunResult:
    metrics = {
        "ttft_mean_ms": Metric(value=8.0, unit="ms", ci95=None, n=10),
        "tpot_mean_ms": Metric(value=2.0, unit="ms", ci95=None, n=10),
        "cold_start_s": Metric(value=0.5, unit="s", ci95=None, n=1),
        "requests_per_s": Metric(value=20.0, unit="requests/s", ci95=None, n=10),
        "cost_usd_per_mtok": Metric(value=1.0, unit="usd/mtok", ci95=None, n=10),
    }
    ranked = Ranked(
        variant=variant,
        metrics=metrics,
        verdicts=(),
        quality=None,
        objective=None,
        trials=1,
        rank=1,
        chips=(),
    )
    ranking = Ranking(
        baseline=variant.id,
        winner=variant.id,
        tied_with=(),
        ranked=(ranked,),
        rejected=(),
        pareto=(),
        advice=(),
        formula="",
    )
    return RunResult(
        ranking=ranking, receipt=BlobRef(path="receipts/ab.json", sha256="ab", size_bytes=2)
    )


@dataclass
class Serving:
    """One `paceline serve`."""

    paceline: Paceline
    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def status(self, name: str = "demo") -> dict[str, Any]:
        return self.paceline("endpoints", name, "--json").document

    def reasons(self, name: str = "demo") -> str:
        return self.paceline("endpoints", name, "--log").out

    def ask(self, *, tokens: int = 4, timeout_s: float = WITHIN_S) -> httpx.Response:
        return httpx.post(f"{self.url}/chat/completions", json=chat_body(tokens), timeout=timeout_s)

    def until(
        self, holds: Callable[["Serving"], bool], what: str, *, within_s: float = WITHIN_S
    ) -> None:
        deadline_s = time.monotonic() + within_s
        while not holds(self):
            assert time.monotonic() < deadline_s, f"not {what}: {''.join(self.said)}"
            assert self.process.poll() is None, "".join(self.said)
            time.sleep(0.05)

    def heard(self, text: str, times: int = 1, *, within_s: float = WITHIN_S) -> None:
        """Wait until it said so on stderr."""
        self.until(
            lambda _: sum(text in line for line in list(self.said)) >= times,
            text,
            within_s=within_s,
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def children(self, program: str) -> list[psutil.Process]:
        """Processes below it whose command line names `program`, their shims left out."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in found if program in _words(one) and "shim.py" not in _words(one)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def chat_body(tokens: int, *, stream: bool = False) -> dict[str, Any]:
    return {
        "model": "demo",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": stream,
    }


@contextmanager
def serving(paceline: Paceline, *options: str, **env: str) -> Iterator[Serving]:
    """Started and listening; on exit it is asked to end and must do so in peace."""
    process = paceline.start("serve", "--port", "0", *options, **env)
    assert process.stderr is not None
    said: list[str] = []
    port = None
    for line in process.stderr:
        said.append(line)
        found = re.search(r"serving on http://127\.0\.0\.1:(\d+)", line)
        if found is not None:
            port = int(found[1])
            break
    assert port is not None, "".join(said)
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    reader.start()
    one = Serving(paceline, process, port, said)
    try:
        yield one
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=WITHIN_S)
        reader.join()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        assert code in (0, -signal.SIGKILL), (code, "".join(said))
        assert "Traceback" not in "".join(said), "".join(said)
