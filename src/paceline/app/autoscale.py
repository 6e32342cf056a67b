"""Replays a traffic trace through scaling policies: what each would have cost, and who waited."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from paceline.deploy.simulate import replay
from paceline.deploy.simulated_replica import ServiceModel
from paceline.errors import Code, SpecError
from paceline.records.load_plan import TraceRow
from paceline.records.replay import Replay, ReplaySettings
from paceline.records.scaling import Policy, Replica, ServicePoint
from paceline.spec.scaling import named_policy, policy_name, read_policy
from paceline.trial.trace import read_trace

EXAMPLE_REPLICA: Final = Replica(
    concurrency=16,
    cold_start_s=45.0,
    usd_per_hour=1.0,
    # Published: Qwen3-Coder-30B-A3B AWQ, one RTX 5090, vLLM, 4,000 tokens in and out (medians of
    # cloudrift's runs, Apache-2.0). The cold start and the price are round numbers.
    service=(
        ServicePoint(concurrency=4, ttft_ms=552, tpot_ms=7.1),
        ServicePoint(concurrency=8, ttft_ms=771, tpot_ms=8.9),
        ServicePoint(concurrency=12, ttft_ms=820, tpot_ms=12.5),
        ServicePoint(concurrency=16, ttft_ms=1001, tpot_ms=13.3),
    ),
)
"""Stands in where nobody describes a replica, so that policies can be compared at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One policy as it was asked for; `replica` is what its file describes, if anything."""

    name: str
    policy: Policy
    replica: Replica | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One policy's replay; `example` when the replica was nobody's measurement."""

    name: str
    found: Replay
    example: bool


def read_asked(text: str) -> Asked:
    """A policy by name, or from a file. Raises SpecError for what is neither, or is wrong."""
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        file = read_policy(_read(path, "a policy file"), path.name)
        return Asked(name=path.stem, policy=file.policy, replica=file.replica)
    return Asked(name=text, policy=named_policy(text))


def read_replica(path: Path) -> Replica:
    """The replica that a policy file describes. Raises SpecError when it describes none."""
    file = read_policy(_read(path, "a policy file"), path.name)
    if file.replica is None:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"{path.name!r} describes no replica",
            why="it has no key `replica`",
            fix="add `replica:`; its keys are in docs/guides/autoscale.md",
        )
    return file.replica


def replay_trace(
    trace_path: Path,
    asked: Sequence[Asked],
    settings: ReplaySettings,
    *,
    replica: Replica | None = None,
) -> tuple[Replayed, ...]:
    """Every policy over the same trace; `replica` wins over what the files describe.

    Raises SpecError for a trace that cannot be read.
    """
    trace = read_trace(_read(trace_path, "a trace").splitlines(), name=str(trace_path))
    replayed = []
    for one in asked:
        given = replica or one.replica
        found = replay(trace, one.policy, _rated(given or EXAMPLE_REPLICA, trace), settings)
        replayed.append(Replayed(name=one.name, found=found, example=given is None))
    return tuple(replayed)


def replay_document(replayed: Sequence[Replayed]) -> dict[str, object]:
    """The replays as one JSON document, decisions left out."""
    first = replayed[0].found
    return {
        "requests": first.requests,
        "settings": asdict(first.settings),
        "policies": [
            {
                "name": one.name,
                "policy": policy_name(one.found.policy),
                "settings": asdict(one.found.policy),
                "replica": {**asdict(one.found.replica), "example": one.example},
                "usd": one.found.usd,
                "replica_s": one.found.replica_s,
                "duration_s": one.found.duration_s,
                "wait_s": asdict(one.found.wait),
                "cold_starts": one.found.cold_starts,
                "flips": one.found.flips,
                "refused": one.found.refused,
                "most_replicas": one.found.most_replicas,
                "utilization": one.found.utilization,
                "decisions": len(one.found.decisions),
            }
            for one in replayed
        ],
    }


def write_log(path: Path, replayed: Sequence[Replayed]) -> None:
    """One JSON line per decision of every policy, in the order they were made."""
    lines = (
        orjson.dumps({"policy": one.name, **asdict(line)})
        for one in replayed
        for line in one.found.decisions
    )
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def _rated(replica: Replica, trace: Sequence[TraceRow]) -> Replica:
    """With the rate that a measurement on this trace's mean lengths would have found."""
    if replica.requests_per_s is not None:
        return replica
    input_tokens = sum(row.input_tokens for row in trace) / len(trace)
    output_tokens = sum(row.output_tokens for row in trace) / len(trace)
    rate_rps = ServiceModel(replica).requests_per_s(input_tokens, output_tokens)
    return replace(replica, requests_per_s=rate_rps)


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read {str(path)!r}",
            why=str(error),
            fix=f"name {what} that can be read, as UTF-8 text",
        ) from error
