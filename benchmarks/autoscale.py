"""Scaling policies over shared traces and steady traffic: cost, waits, cold starts, flips.

A simulation, so the machine does not matter; about three minutes on one core. Traces are looked
for in ../shared/reference/traces, or in the folder that is given; what is absent is skipped.
Settings are chosen on the first half of the Azure trace, so each half is also judged alone.
Output is Markdown, ready for docs/log.md.
"""

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from paceline.deploy.simulate import replay
from paceline.deploy.simulated_replica import ServiceModel
from paceline.records.load_plan import TraceRow
from paceline.records.replay import Replay, ReplaySettings
from paceline.records.scaling import (
    Bounds,
    KnativePolicy,
    PacelinePolicy,
    Policy,
    QueueDelayPolicy,
    Replica,
    RequestCountPolicy,
    RpsPolicy,
    ServicePoint,
)
from paceline.trial.trace import read_trace

TRACES: Final = ("azure_2023_code.csv", "mooncake_synthetic.csv")
FOLDER: Final = Path(__file__).parent.parent.parent / "shared/reference/traces"
COLD_STARTS_S: Final = (10.0, 45.0, 120.0)
BOUNDS: Final = Bounds(max_replicas=3)  # RunPod's default, for everybody
POLICIES: Final[dict[str, Policy]] = {
    "paceline": PacelinePolicy(bounds=BOUNDS),
    "paceline, idle 5 min": PacelinePolicy(bounds=BOUNDS, idle_timeout_s=300.0),
    "paceline, idle 1 cold start": PacelinePolicy(bounds=BOUNDS),
    "knative": KnativePolicy(bounds=BOUNDS),
    "queue_delay": QueueDelayPolicy(bounds=BOUNDS),
    "queue_delay, kinder reading": QueueDelayPolicy(bounds=BOUNDS, counts_starting=True),
    "request_count": RequestCountPolicy(bounds=BOUNDS),
    "rps": RpsPolicy(bounds=BOUNDS),
}
JUDGED: Final = ("queue_delay", "request_count")
STEADY_S: Final = 3_600.0
STEADY_COLD_STARTS_S: Final = (10.0, 45.0)
IDLE_ONE_COLD_START: Final = "paceline, idle 1 cold start"


def points(*rows: tuple[int, float, float]) -> tuple[ServicePoint, ...]:
    return tuple(
        ServicePoint(concurrency=concurrency, ttft_ms=ttft_ms, tpot_ms=tpot_ms)
        for concurrency, ttft_ms, tpot_ms in rows
    )


# Published measurements (medians per concurrency); the last is made up, to be slow. A replica-hour
# costs one dollar, so that cost reads as replica-hours.
SERVICES: Final[dict[str, tuple[int, tuple[ServicePoint, ...]]]] = {
    "Qwen3-Coder-30B-A3B AWQ, RTX 5090, vLLM (cloudrift)": (
        16,
        points((4, 552, 7.1), (8, 771, 8.9), (12, 820, 12.5), (16, 1001, 13.3)),
    ),
    "MiniMax-M2.5 FP8, 8 H200, vLLM (InferenceX)": (
        32,
        points((4, 198, 8.4), (8, 269, 10.0), (16, 349, 12.7), (32, 519, 17.4)),
    ),
    "Qwen3-235B FP8, 4 H100, TensorRT-LLM (NVIDIA)": (
        32,
        points((4, 174, 13.3), (8, 193, 15.7), (16, 213, 19.4), (32, 235, 25.9)),
    ),
    "BLOOM-176B FP16, 8 H100, vLLM (Splitwise)": (
        16,
        points((1, 75, 36.1), (4, 239, 38.1), (8, 625, 38.1), (16, 1313, 40.6)),
    ),
    "slow: 8 at a time, made up": (8, points((1, 400, 35.0), (8, 1500, 50.0))),
}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name in TRACES:
        path = folder / name
        if not path.exists():
            print(f"skipped: no trace {path}", file=sys.stderr)
            continue
        trace = read_trace(path.read_text().splitlines(), name=name)
        over_trace(name, trace)
        for half, rows in halves(trace).items():
            over_half(f"{name}, {half} half", rows)
    for cold_start_s in STEADY_COLD_STARTS_S:
        steady(cold_start_s)


def over_trace(name: str, trace: tuple[TraceRow, ...]) -> None:
    """One table per service model, and how often the designed policy beats each vendor's."""
    print(f"### {name}: {len(trace):,} requests, {trace[-1].t_s:,.0f} s\n")
    tally = dict.fromkeys(JUDGED, 0)
    for service in SERVICES:
        print(f"**{service}**\n")
        print("| cold start | policy | cost | mean wait | p95 wait | cold starts | flips | 503 |")
        print("|---|---|---|---|---|---|---|---|")
        for cold_start_s in COLD_STARTS_S:
            replica = replica_of(service, cold_start_s, trace)
            found = {label: one(label, trace, replica) for label in POLICIES}
            for label, row in found.items():
                print(f"| {cold_start_s:g} s | {label} | {cells(row)} |")
            for rival in JUDGED:
                tally[rival] += beats(found["paceline"], found[rival])
        print()
    cases = len(SERVICES) * len(COLD_STARTS_S)
    for rival, wins in tally.items():
        print(f"paceline costs less than {rival} at no longer p95 wait in {wins} of {cases} cases.")
    print()


def halves(trace: tuple[TraceRow, ...]) -> dict[str, tuple[TraceRow, ...]]:
    """Cut in the middle of its time; each begins at zero, and with nothing running."""
    middle_s = trace[-1].t_s / 2
    first = tuple(row for row in trace if row.t_s < middle_s)
    second = trace[len(first) :]
    return {
        "first": first,
        "second": tuple(replace(row, t_s=row.t_s - second[0].t_s) for row in second),
    }


def over_half(name: str, trace: tuple[TraceRow, ...]) -> None:
    """The judged policies alone: sums, and the cases in which the designed one beats both."""
    cost, wait_s, flips, wins = 0.0, 0.0, 0, 0
    lost = []
    for service, cold_start_s in itertools.product(SERVICES, COLD_STARTS_S):
        replica = replica_of(service, cold_start_s, trace)
        ours = one("paceline", trace, replica)
        won = all(beats(ours, one(rival, trace, replica)) for rival in JUDGED)
        wins += won
        if not won:
            lost.append(f"{service} at {cold_start_s:g} s")
        cost, wait_s, flips = cost + ours.usd, wait_s + ours.wait.p95, flips + ours.flips
    cases = len(SERVICES) * len(COLD_STARTS_S)
    print(f"{name}: cost {cost:.2f}, p95 waits {wait_s:.1f} s, {flips} flips; {wins} of {cases}")
    print(f"lost: {'; '.join(lost) or 'none'}\n")


def one(label: str, trace: tuple[TraceRow, ...], replica: Replica) -> Replay:
    policy = POLICIES[label]
    if label == IDLE_ONE_COLD_START and isinstance(policy, PacelinePolicy):
        policy = replace(policy, idle_timeout_s=replica.cold_start_s)
    # Ten minutes more, so that what idles at the end is paid for.
    return replay(trace, policy, replica, ReplaySettings(after_s=600.0))


def replica_of(service: str, cold_start_s: float, trace: tuple[TraceRow, ...]) -> Replica:
    concurrency, measured = SERVICES[service]
    replica = Replica(
        concurrency=concurrency, cold_start_s=cold_start_s, usd_per_hour=1.0, service=measured
    )
    input_tokens = float(np.mean([row.input_tokens for row in trace]))
    output_tokens = float(np.mean([row.output_tokens for row in trace]))
    rate_rps = ServiceModel(replica).requests_per_s(input_tokens, output_tokens)
    return replace(replica, requests_per_s=rate_rps)


def cells(row: Replay) -> str:
    return (
        f"{row.usd:.2f} | {row.wait.mean:.1f} s | {row.wait.p95:.1f} s | {row.cold_starts} | "
        f"{row.flips} | {row.refused}"
    )


def beats(ours: Replay, theirs: Replay) -> bool:
    """Cheaper per answered request, so that nobody wins by refusing, at no longer p95 wait."""
    return per_answer(ours) < per_answer(theirs) and ours.wait.p95 <= theirs.wait.p95


def per_answer(row: Replay) -> float:
    return row.usd / (row.requests - row.refused)


def steady(cold_start_s: float) -> None:
    """An hour of Poisson arrivals at each of seventeen rates; replicas for it are ready."""
    print("### Steady traffic: an hour of Poisson arrivals at 17 rates, 0.2 to 3.4 full replicas\n")
    print(f"A cold start of {cold_start_s:g} s.\n")
    print("| service | hours with a flip | flips | replicas per full one | p99 wait |")
    print("|---|---|---|---|---|")
    for service in SERVICES:
        found, load = [], []
        for tenths in range(2, 36, 2):
            trace = poisson(service, tenths / 10)
            replica = replica_of(service, cold_start_s, trace)
            settings = ReplaySettings(start_replicas=-(-tenths * 4 // 30))
            policy = PacelinePolicy(bounds=Bounds(max_replicas=10))
            found.append(before_the_end(replay(trace, policy, replica, settings)))
            load.append(tenths / 10 * found[-1].duration_s)
        turned = sum(row.flips > 0 for row in found)
        paid = sum(row.replica_s for row in found) / sum(load)
        p99_s = max(row.wait.p99 for row in found)
        flips = sum(row.flips for row in found)
        print(f"| {service} | {turned} of {len(found)} | {flips} | {paid:.2f} | {p99_s:.1f} s |")
    print()


def before_the_end(row: Replay) -> Replay:
    """Without the way to zero after the last arrival: that traffic is not steady."""
    kept = tuple(line for line in row.decisions if line.t_s <= STEADY_S)
    turns = [line.replicas > line.wanted for line in kept if line.replicas != line.wanted]
    return replace(row, flips=sum(a != b for a, b in itertools.pairwise(turns)))


def poisson(service: str, full_replicas: float) -> tuple[TraceRow, ...]:
    """An hour at the rate that keeps so many replicas full; 128 output tokens, log-normal."""
    random = np.random.default_rng(int(full_replicas * 10))
    concurrency, measured = SERVICES[service]
    replica = Replica(
        concurrency=concurrency, cold_start_s=45.0, usd_per_hour=1.0, service=measured
    )
    rate_rps = ServiceModel(replica).requests_per_s(500, 128) * full_replicas
    times_s = np.cumsum(random.exponential(1 / rate_rps, int(rate_rps * 4000) + 50))
    times_s = times_s[times_s < STEADY_S] - times_s[0]
    tokens = np.maximum(random.lognormal(np.log(128) - 0.32, 0.8, len(times_s)), 1).astype(int)
    return tuple(
        TraceRow(t_s=t_s, input_tokens=500, output_tokens=count)
        for t_s, count in zip(times_s.tolist(), tokens.tolist(), strict=True)
    )


if __name__ == "__main__":
    main()
