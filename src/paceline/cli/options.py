"""Options that `optimize` and `plan` share: what a request says. And the exit code they share."""

from pathlib import Path
from typing import Annotated, Final

import typer

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
