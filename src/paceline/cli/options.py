"""Options that `optimize` and `plan` share: what a request says. And the exit code they share."""

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from paceline.app.survey import own_prices
from paceline.spec.read import Asked

NO_VARIANT: Final = 5
"""No variant satisfies the constraints."""

Words = Annotated[
    list[str] | None, typer.Argument(help='Plain words: "cheapest, p95 ttft under 300 ms".')
]
Priority = Annotated[
    str | None,
    typer.Option(help="latency, throughput, cost, quality or balanced.", show_default=False),
]
Constraints = Annotated[
    list[str] | None,
    typer.Option("--constraint", help='A hard limit, e.g. "ttft p95 <= 200ms"; repeatable.'),
]
WorkloadText = Annotated[
    str | None, typer.Option("--workload", help="A preset, e.g. chat,concurrency=16,input=512.")
]
Formats = Annotated[list[str] | None, typer.Option("--format", help="Only these formats.")]
Pin = Annotated[str | None, typer.Option(help="Only this format (and the baseline).")]
BudgetText = Annotated[str | None, typer.Option("--budget", help="10m or $20; a hard limit.")]
PipelineName = Annotated[str | None, typer.Option("--pipeline", help="Where the version goes.")]
Price = Annotated[
    float | None, typer.Option(help="USD per hour of one accelerator; else from a table.")
]
PriceFile = Annotated[Path | None, typer.Option("--prices", help="CSV of your prices; they win.")]
Seed = Annotated[int | None, typer.Option(help="Same seed: same prompts, arrivals and order.")]
Items = Annotated[int | None, typer.Option("--quality-items", help="Ask only so many items.")]
Share = Annotated[
    float | None,
    typer.Option("--quality-share", help="Most of a trial's time for its questions; 1: no limit."),
]
BesideNames = Annotated[
    list[str] | None,
    typer.Option("--beside", help="Ask also: under-load, long-context; repeatable."),
]
SuiteNames = Annotated[
    list[str] | None,
    typer.Option("--suite", help="standard or a file; mine=FILE is what quality(mine) is about."),
]
Draft = Annotated[
    str | None,
    typer.Option("--draft", help="A small model that guesses ahead; same vocabulary required."),
]
WorkspaceName = Annotated[str, typer.Option(help="In whose name, for its quota.")]
EarlierRun = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help='Change that run: "cheaper, only llama.cpp"; what holds is not repeated.',
    ),
]
RequestFile = Annotated[
    Path | None, typer.Option("--file", help="A request in YAML; flags win over it.")
]
ModeName = Annotated[
    str | None,
    typer.Option("--mode", help="realtime or quality: how pictures are asked for, and of what."),
]
AcceptLicense = Annotated[
    bool,
    typer.Option("--accept-license", help="You have read a non-commercial licence and may use it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def asked_by(command: typer.Context, today: date) -> Asked:
    """What the options above say; a command that calls this declares them all, as Typer needs it.

    Raises SpecError for a price file that makes no sense.
    """
    given = command.params
    return Asked(
        model=given["model"],
        pipeline=given["pipeline"],
        priority=given["priority"],
        constraints=tuple(given["constraint"] or ()),
        workload=given["workload"],
        engines=tuple(given["engine"] or ()),
        formats=tuple(given["format_"] or ()),
        hardware=tuple(given["hardware"] or ()),
        pin=given["pin"],
        budget=given["budget"],
        price_usd_per_hour=given["price"],
        prices=own_prices(given["prices"], today),
        seed=given["seed"],
        quality_items=given["quality_items"],
        quality_share=given["quality_share"],
        beside=tuple(given["beside"] or ()),
        suites=tuple(given["suite"] or ()),
        draft=given["draft"],
        mode=given["mode"],
        accept_license=given["accept_license"],
    )
