"""`paceline endpoints`: what is served, by what, and why."""

from typing import Annotated

import typer

from paceline.app.endpoints import (
    Shown,
    all_endpoints,
    endpoint_document,
    log_of,
    one_endpoint,
    replica_document,
    replicas_of,
)
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.deploy.coldstart import total_s
from paceline.records.deployment import LogLine, ReplicaRecord
from paceline.units import format_duration

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def endpoints(
    name: Annotated[str | None, typer.Argument(help="One endpoint, with its replicas.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Every decision with its reason.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="How much of the log.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List endpoints; show one with its replicas, or its log."""
    shop = Workshop()
    if name is None:
        _print_all(all_endpoints(shop), as_json=as_json)
    elif log:
        found = log_of(name, shop, limit=lines)
        if not found:
            one_endpoint(name, shop)  # raises for a name that never was one
        _print_log(name, found, as_json=as_json)
    else:
        _print_one(one_endpoint(name, shop), replicas_of(name, shop), as_json=as_json)


def _print_all(found: tuple[Shown, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"endpoints": [endpoint_document(shown) for shown in found]})
        return
    print_table(
        "Endpoints",
        ("endpoint", "version", "state", "ready", "wanted", "because"),
        [
            (
                shown.endpoint.name,
                _version(shown),
                shown.state,
                str(shown.status.ready if shown.status and shown.served else 0),
                str(shown.status.replicas if shown.status else 0),
                shown.status.because if shown.status else "",
            )
            for shown in found
        ],
    )


def _version(shown: Shown) -> str:
    """The one that is wanted, and the one that serves where that is another."""
    stable = shown.status.stable if shown.status and shown.served else None
    wanted = str(shown.endpoint.version)
    return wanted if stable in (None, shown.endpoint.version) else f"{wanted} ({stable} serves)"


def _print_one(shown: Shown, replicas: tuple[ReplicaRecord, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [replica_document(replica) for replica in replicas]
        print_json({**endpoint_document(shown), "replica_list": rows})
        return
    _print_all((shown,), as_json=False)
    print_table(
        "Replicas",
        (
            "replica",
            "version",
            "state",
            "cold start",
            "environment",
            "weights",
            "engine",
            "warm-up",
        ),
        [_replica_row(replica) for replica in replicas],
    )


def _replica_row(replica: ReplicaRecord) -> tuple[str, ...]:
    cold = replica.cold_start
    shown: tuple[str, ...] = ("–",) * 5
    if cold is not None:
        parts = (cold.environment_s, cold.weights_s, cold.engine_s, cold.warmup_s)
        texts = ("–" if part is None else format_duration(part) for part in parts)
        shown = (format_duration(total_s(cold)), *texts)
    return (replica.replica_id, str(replica.version), replica.state.value, *shown)


def _print_log(name: str, lines: tuple[LogLine, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "number": line.number,
                "at": line.at_utc,
                "kind": line.kind.value,
                "version": line.version,
                "replicas_before": line.replicas_before,
                "replicas_after": line.replicas_after,
                "because": line.because,
            }
            for line in lines
        ]
        print_json({"endpoint": name, "log": rows})
        return
    for line in lines:
        counts = ""
        if line.replicas_after is not None:
            counts = f" {line.replicas_before} -> {line.replicas_after}"
        typer.echo(f"{line.at_utc} {line.kind.value}{counts}: {line.because}")
