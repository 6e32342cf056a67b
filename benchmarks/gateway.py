"""What the gateway costs, beside HAProxy, a bare relay in Python and an ASGI proxy in the same run.

    python benchmarks/gateway.py [--seconds 4] [--rounds 5] [--log]
        [--only unary latency bursts streams fewer-streams]

It needs `wrk` and `h2load`, and `haproxy` for the engine of whole answers (Debian packages wrk,
nghttp2-client, haproxy). CPU is that of the proxy's process alone, divided by what it passed on;
with two or more cores the proxy has one for itself. All proxies run at once and are measured in
turn, round after round; a ratio is of neighbours in one round, so that what else the machine does
falls out of it. A figure is the median of the rounds, with the lowest and the highest behind it.

The gateway has everything on: a key with all limits, the queue, the breaker, usage and metrics. The
bare relay does one `recv` and one `send` for whatever comes and nothing else: less is not possible
in Python. The ASGI proxy (uvicorn, aiohttp client) is installed into the cache at the first run.
Delays are of requests that come by chance, and again of 64 at a time, the next 64 when 64 more are
due: there the last waits for the work of 63 others, and what is added is that work, not a delay.
`--log` appends the tables to docs/log.md. About 8 minutes.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from gateway_load import (
    CONNECTIONS,
    LATENCY_RATE,
    Streams,
    beside_the_proxy,
    run_arrivals,
    run_h2load,
    run_wrk,
)
from gateway_peers import (
    FLOOR,
    HAPROXY_NAME,
    Proxy,
    asgi,
    haproxy,
    leave_alone,
    paceline,
    relay,
    static_engine,
    version,
)
from paceline.testing.golden_server.launch import golden_server

ROOT = Path(__file__).parent.parent
MEASURES = ("unary", "latency", "bursts", "streams", "fewer-streams")
STREAMS, EVENTS_PER_S, STREAM_TOKENS = 1_000, 50, 1_500
FEWER_STREAMS = 600
"""So many events engine and client bring one at a time from one core; of more, some together."""
SETTLE_S = 2.0
"""Until all streams are open and the first burst is over."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one proxy in one round."""

    passed_on: int
    wall_s: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        """Per answer or event."""
        return self.cpu_s / self.passed_on * 1e6


@dataclass(frozen=True, kw_only=True)
class Table:
    """One measurement over all proxies."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """As Markdown."""
        lines = [self.title, "", "| " + " | ".join(self.header) + " |", "|---" * len(self.header)]
        lines[-1] += "|"
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)]) + "\n"


def main() -> int:
    """Measure, print and, when asked, log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=MEASURES)
    parser.add_argument("--log", action="store_true")
    options = parser.parse_args()
    missing = [name for name in ("wrk", "h2load", "haproxy") if shutil.which(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 3
    measures: dict[str, Callable[[Path, float, int], Table]] = {
        "unary": unary,
        "latency": latency,
        "bursts": bursts,
        "streams": partial(streams, count=STREAMS),
        "fewer-streams": partial(streams, count=FEWER_STREAMS),
    }
    tables = []
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measures[name](Path(folder), options.seconds, options.rounds))
        print(tables[-1].text(), flush=True)
    if options.log:
        write_log(tables)
    return 0


def unary(folder: Path, seconds: float, rounds: int) -> Table:
    """Whole answers as fast as `CONNECTIONS` clients ask for them."""

    def cost(proxy: Proxy) -> Cost:
        before_s = proxy.cpu_s()
        answers, wall_s = run_wrk(folder, proxy, seconds)
        return Cost(passed_on=answers, wall_s=wall_s, cpu_s=proxy.cpu_s() - before_s)

    with static_engine(folder) as engine, every_proxy(folder, engine) as proxies:
        for proxy in proxies:
            run_wrk(folder, proxy, 1.0)
        costs = in_turn(proxies, rounds, cost)
    title = f"Whole answers, {CONNECTIONS} connections, {rounds} rounds of {seconds:g} s each"
    return cost_table(title, "answer", costs)


def streams(folder: Path, seconds: float, rounds: int, *, count: int) -> Table:
    """What an event costs, and how many came at a time: together they cost less each."""
    at_a_time: dict[str, list[float]] = {}

    def cost(proxy: Proxy) -> Cost:
        held = Streams(proxy.port, count, STREAM_TOKENS)
        held.count(SETTLE_S)
        before_s, began_s, pieces = proxy.cpu_s(), time.perf_counter(), held.pieces
        events = held.count(seconds)
        cpu_s, wall_s = proxy.cpu_s() - before_s, time.perf_counter() - began_s
        held.close()
        if not events:
            raise SystemExit(f"{proxy.name}: no event in {seconds:g} s, the machine is too busy")
        at_a_time.setdefault(proxy.name, []).append(events / (held.pieces - pieces))
        return Cost(passed_on=events, wall_s=wall_s, cpu_s=cpu_s)

    with ExitStack() as stack:
        options = ("--ttft-ms", "50", "--itl-ms", str(1_000 / EVENTS_PER_S))
        golden = stack.enter_context(golden_server(*options))
        leave_alone(psutil.Process(golden.process.pid))
        engine = int(golden.url.rsplit(":", 1)[1])
        proxies = stack.enter_context(every_proxy(folder, engine))
        stack.enter_context(beside_the_proxy())
        costs = in_turn(proxies, rounds, cost)
    each = f"{rounds} rounds of {seconds:g} s each"
    table = cost_table(f"{count:,} streams of {EVENTS_PER_S} events/s, {each}", "event", costs)
    rows = tuple((*row, spread(at_a_time[row[0]])) for row in table.rows)
    return Table(title=table.title, header=(*table.header, "events at a time"), rows=rows)


def latency(folder: Path, seconds: float, rounds: int) -> Table:
    """Whole answers to requests that come by chance at a fixed mean rate."""
    title = f"Whole answers at {LATENCY_RATE:,} requests/s that come by chance"
    return delay_table(
        title, folder, seconds, rounds, lambda proxy, seed: run_arrivals(proxy, seconds, seed)
    )


def bursts(folder: Path, seconds: float, rounds: int) -> Table:
    """The same rate in bursts of all connections at once."""
    title = f"Whole answers at {LATENCY_RATE:,} requests/s, {CONNECTIONS} at once"
    return delay_table(
        title, folder, seconds, rounds, lambda proxy, _: run_h2load(folder, proxy, seconds)
    )


def delay_table(
    title: str,
    folder: Path,
    seconds: float,
    rounds: int,
    took_ms: Callable[[Proxy, int], list[float]],
) -> Table:
    """How long each request took, and how much of that is added."""
    found: dict[str, list[list[float]]] = {}
    with static_engine(folder) as engine, every_proxy(folder, engine, busy=True) as proxies:
        for number in range(rounds):
            for proxy in (Proxy(name="direct", port=engine), *proxies):
                found.setdefault(proxy.name, []).append(took_ms(proxy, number))
    p50, p99 = (
        {name: [float(np.quantile(one, share)) for one in rows] for name, rows in found.items()}
        for share in (0.5, 0.99)
    )
    rows = [
        (
            name,
            f"{sum(map(len, found[name])) / seconds / rounds:,.0f}",
            spread(p50[name], "{:.3f}"),
            spread(less(p50[name], p50["direct"]), "{:.3f}"),
            spread(p99[name], "{:.3f}"),
            spread(less(p99[name], p99["direct"]), "{:.3f}"),
        )
        for name in found
    ]
    return Table(
        title=f"{title}, {rounds} rounds of {seconds:g} s each",
        header=("way", "requests/s", "ms p50", "added p50", "ms p99", "added p99"),
        rows=tuple(rows),
    )


@contextmanager
def every_proxy(folder: Path, engine: int, *, busy: bool = False) -> Iterator[list[Proxy]]:
    """Ours, the peers and the floor, all at once; who is not measured has nothing to do. With
    `busy`, ours once more, as one that does not sleep under load."""
    with ExitStack() as stack:
        makers = [paceline, haproxy, relay, asgi]
        if busy:
            makers.insert(1, partial(paceline, busy=True))
        yield [stack.enter_context(make(folder, engine)) for make in makers]


def in_turn(
    proxies: list[Proxy], rounds: int, cost: Callable[[Proxy], Cost]
) -> dict[str, list[Cost]]:
    """By proxy, one cost per round."""
    costs: dict[str, list[Cost]] = {proxy.name: [] for proxy in proxies}
    for _ in range(rounds):
        for proxy in proxies:
            costs[proxy.name].append(cost(proxy))
    return costs


def cost_table(title: str, what: str, costs: dict[str, list[Cost]]) -> Table:
    """CPU of each, beside HAProxy and the floor in the same round."""
    rows = []
    for name, found in costs.items():
        cpu_us = [one.cpu_us for one in found]
        beside = [
            spread([us / other.cpu_us for us, other in zip(cpu_us, costs[peer], strict=True)])
            for peer in (HAPROXY_NAME, FLOOR)
        ]
        rows.append(
            (
                name,
                spread([one.passed_on / one.wall_s for one in found], "{:,.0f}"),
                spread(cpu_us, "{:.1f}"),
                *beside,
                spread([one.cpu_s / one.wall_s for one in found], "{:.0%}"),
            )
        )
    return Table(
        title=title,
        header=(
            "way",
            f"{what}s/s",
            f"CPU µs per {what}",
            f"× {HAPROXY_NAME}",
            "× floor",
            "share of a core",
        ),
        rows=tuple(rows),
    )


def spread(values: list[float], form: str = "{:.2f}") -> str:
    """The median, and the lowest and highest of the rounds."""
    median, low, high = np.median(values), min(values), max(values)
    if len(values) == 1:
        return form.format(median)
    return f"{form.format(median)} ({form.format(low)} to {form.format(high)})"


def less(values: list[float], others: list[float]) -> list[float]:
    """What is added in each round."""
    return [value - other for value, other in zip(values, others, strict=True)]


def write_log(tables: list[Table]) -> None:
    """Append the tables with what they rest on."""
    git = shutil.which("git") or "git"
    asked = [git, "rev-parse", "--short", "HEAD"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [
        f"\n## {datetime.now(UTC).date()}: the gateway beside peers and the floor of Python\n",
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python",
        f"{platform.python_version()}, HAProxy {version('haproxy', '-v')}, commit",
        f"{said.stdout.strip()}; load average {os.getloadavg()[0]:.1f} at the end.",
        f"`python {' '.join(['benchmarks/gateway.py', *sys.argv[1:]])}`\n",
    ]
    with (ROOT / "docs/log.md").open("a") as log:
        log.write("\n".join(lines) + "\n" + "\n".join(table.text() for table in tables))


if __name__ == "__main__":
    sys.exit(main())
