"""`paceline autoscale`: what a scaling policy would have done with a trace."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.autoscale import (
    Replayed,
    read_asked,
    read_replica,
    replay_document,
    replay_trace,
    write_log,
)
from paceline.app.output_files import require_writable
from paceline.cli.output import print_json, print_table
from paceline.errors import Code, SpecError
from paceline.records.replay import ReplaySettings
from paceline.units import format_duration, parse_duration_s

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def autoscale() -> None:
    """Try scaling policies on traffic that was recorded."""


@app.command("replay")
def replay_command(
    trace: Annotated[Path, typer.Argument(help="A CSV file: t_s,input_tokens,output_tokens.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", help="paceline, knative, queue_delay, request_count, rps or a YAML file."
        ),
    ] = None,
    replica: Annotated[
        Path | None, typer.Option(help="A policy file; its `replica` is used for every policy.")
    ] = None,
    hold: Annotated[
        str, typer.Option(help="How long a request may wait for a replica, then 503.")
    ] = "120s",
    after: Annotated[
        str, typer.Option(help="How long to go on, and pay, after the last answer.")
    ] = "0s",
    start: Annotated[int, typer.Option(min=0, help="Replicas ready when the trace begins.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the cold starts' spread.")] = 0,
    log: Annotated[
        Path | None, typer.Option(help="Write every decision with its reason as JSON lines.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Replay a trace through one or more policies: cost, waits, cold starts, flips.

    A simulation; nothing is started. Give --policy more than once to compare.
    """
    require_writable(log, "--log")
    settings = ReplaySettings(
        hold_s=_seconds("--hold", hold),
        after_s=_seconds("--after", after),
        start_replicas=start,
        seed=seed,
    )
    asked = [read_asked(text) for text in policy or ["paceline"]]
    described = None if replica is None else read_replica(replica)
    replayed = replay_trace(trace, asked, settings, replica=described)
    if log is not None:
        write_log(log, replayed)
    if any(one.example for one in replayed):
        typer.echo(
            "no replica was described: an example stands in for your measurement (--replica FILE)",
            err=True,
        )
    if as_json:
        print_json(replay_document(replayed))
    else:
        _print(replayed)


def _seconds(option: str, text: str) -> float:
    found = parse_duration_s(text)
    if found is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{option} {text!r} is no duration",
            why="a duration is a number with its unit",
            fix=f"write for example {option} 90s",
        )
    return float(found)


def _print(replayed: tuple[Replayed, ...]) -> None:
    first = replayed[0].found
    columns = ("policy", "usd", "wait p50 s", "p95 s", "p99 s", "cold starts", "flips", "503")
    print_table(
        f"{first.requests:,} requests in {format_duration(first.duration_s)}",
        (*columns, "most replicas", "utilization"),
        [
            (
                one.name,
                f"{one.found.usd:.4f}",
                f"{one.found.wait.p50:.2f}",
                f"{one.found.wait.p95:.2f}",
                f"{one.found.wait.p99:.2f}",
                str(one.found.cold_starts),
                str(one.found.flips),
                str(one.found.refused),
                str(one.found.most_replicas),
                f"{one.found.utilization:.1%}",
            )
            for one in replayed
        ],
    )
