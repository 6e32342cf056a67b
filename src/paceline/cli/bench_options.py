"""The options of `paceline bench`, with their help."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.bench_request import ROUTES
from paceline.records.request import MOST_SEED
from paceline.trial.presets import PRESETS

Url = Annotated[str, typer.Argument(help="The endpoint, e.g. http://127.0.0.1:8000.")]
Model = Annotated[str, typer.Option("--model", help="Its name at the endpoint.")]
Concurrency = Annotated[int | None, typer.Option(help="Closed loop: so many requests in flight.")]
Rate = Annotated[float | None, typer.Option(help="Open loop: so many requests per second.")]
ArrivalsName = Annotated[
    str | None, typer.Option(help="poisson (default), constant or gamma:CV, with --rate.")
]
Trace = Annotated[
    Path | None, typer.Option(help="Open loop from a file: t_s,input_tokens,output_tokens.")
]
Stages = Annotated[
    str | None,
    typer.Option(help="4@30s,16@30s in flight; 5/s@30s for rates; 1..50/s@60s for a ramp."),
]
Requests = Annotated[int | None, typer.Option(help="End after so many requests.")]
Duration = Annotated[str | None, typer.Option(help="Start requests for so long, e.g. 30s, 2m.")]
MaxInFlight = Annotated[
    int | None, typer.Option(help="Open loop: hold requests back above this; counted as waiting.")
]
InputTokens = Annotated[
    str | None, typer.Option(help="512, uniform:100,900, lognormal:512,400[16,4096] …")
]
OutputTokens = Annotated[str | None, typer.Option(help="As --input-tokens; sent as max_tokens.")]
SharedPrefix = Annotated[
    str | None, typer.Option(help="TOKENS or TOKENS:GROUPS that prompts begin with.")
]
Turns = Annotated[str | None, typer.Option(help="Turns per conversation, a distribution.")]
Think = Annotated[str | None, typer.Option(help="Pause before each later turn, e.g. 2s.")]
Dataset = Annotated[
    Path | None, typer.Option(help='Prompts from JSONL: {"prompt": …} or {"messages": […]}.')
]
PresetName = Annotated[str | None, typer.Option("--preset", help=", ".join(PRESETS) + ".")]
Tokenizer = Annotated[
    Path | None, typer.Option(help="tokenizer.json or its folder: prompts of exact length.")
]
ExactOutput = Annotated[
    bool, typer.Option("--exact-output", help="Ask the server to ignore end-of-sequence.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="PACELINE_API_KEY", help="Sent as bearer; never printed.")
]
RouteName = Annotated[str, typer.Option("--route", help=", ".join(ROUTES) + ".")]
Constraints = Annotated[
    list[str] | None, typer.Option("--constraint", help='"ttft p95 <= 200ms"; repeatable.')
]
FindMax = Annotated[
    bool, typer.Option("--find-max", help="Search for the highest load that meets them.")
]
ConcurrencyBounds = Annotated[
    str | None, typer.Option(help="LOW:HIGH of the search, either may be left out.")
]
RateBounds = Annotated[str | None, typer.Option(help="LOW:HIGH of a search over rates.")]
MaxProbes = Annotated[int, typer.Option(help="Most loads that a search may send.")]
Warmup = Annotated[int | None, typer.Option(help="Requests before the window; not counted.")]
Timeout = Annotated[str | None, typer.Option(help="Give a request up after this; 5m.")]
Processes = Annotated[int | None, typer.Option(help="Client processes; else as many as needed.")]
Seed = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="Same seed: same prompts, lengths and arrivals.")
]
Html = Annotated[Path | None, typer.Option(help="Write a page with charts, in one file.")]
Samples = Annotated[
    Path | None, typer.Option(help="Write every request as .npz; one file per probe of a search.")
]
FailOnVerdict = Annotated[
    bool, typer.Option("--fail-on-verdict", help="Exit 5 unless every constraint passes.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
