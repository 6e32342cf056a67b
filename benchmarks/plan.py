"""How long `paceline plan` takes on a Llama-3.3-70B shape over everything in the tables.

    python benchmarks/plan.py [REPEATS]

Prints, for each priority and for limits on latency: combinations, those that could serve, seconds
of the survey alone (one process, warm), and seconds of the whole command (a fresh process each
time, its start and imports included). Take the figures on a machine that does nothing else.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy

from paceline.app.survey import Prices, Surveyed, survey_request
from paceline.app.wiring import Workshop
from paceline.spec.read import Asked, read_request

LLAMA_70B: Final = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
LIMITS: Final = ("ttft p95 <= 2s", "tpot mean <= 60ms")
CASES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("balanced", ()),
    ("latency", ()),
    ("cost", ()),
    ("cost", LIMITS),
    ("throughput", LIMITS),
)


def main() -> None:
    """Print a table for docs/log.md."""
    repeats = int(sys.argv[1]) if sys.argv[1:] else 5
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" {datetime.now(UTC):%Y-%m-%d}; load average {load:.1f} before, best of {repeats}"
    )
    print("| priority | limits | combinations | could serve | survey s | command s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(LLAMA_70B), encoding="utf-8")
        for priority, limits in CASES:
            print(_line(folder, priority, limits, repeats))


def _line(model: str, priority: str, limits: tuple[str, ...], repeats: int) -> str:
    request = read_request(
        Asked(model=model, priority=priority, constraints=limits), words=None, file=None
    )
    found: list[Surveyed] = []
    survey_s = _best(lambda: found.append(survey_request(request, Workshop(), Prices())), repeats)
    command = [sys.executable, "-m", "paceline", "plan", model, "--priority", priority, "--json"]
    command += [word for limit in limits for word in ("--constraint", limit)]
    command_s = _best(lambda: subprocess.run(command, check=True, capture_output=True), repeats)
    survey = found[0].survey
    return (
        f"| {priority} | {'; '.join(limits) or 'none'} | {survey.considered:,} |"
        f" {len(survey.field.order):,} | {survey_s:.2f} | {command_s:.2f} |"
    )


def _best(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_s)
    return min(times)


if __name__ == "__main__":
    main()
