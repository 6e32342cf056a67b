"""`paceline runs`: list, show, compare, cancel."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.image_samples import image_samples
from paceline.app.optimize import cancel_run
from paceline.app.output_files import require_writable, write_output
from paceline.app.report import prediction_document, run_document
from paceline.app.runs import compare_runs, ranking_of, receipt_path, stored_run, stored_runs
from paceline.app.search_report import search_document
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.cli.run_page import run_page
from paceline.cli.show import print_run
from paceline.records.run import RunState

app = typer.Typer(rich_markup_mode=None)

CAN_GO_ON = frozenset({RunState.STOPPED, RunState.CANCELLED, RunState.FAILED})

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
RunId = Annotated[str, typer.Argument(help="A run id or an unambiguous beginning of it.")]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context) -> None:
    """Without a command: the list."""
    if context.invoked_subcommand is None:
        list_runs()


@app.command("list")
def list_runs(as_json: AsJson = False, limit: Annotated[int, typer.Option(min=1)] = 20) -> None:
    """List stored runs, latest first."""
    runs = stored_runs(Workshop(), limit=limit)
    rows = [
        {
            "run_id": run.run_id,
            "model": run.request.model,
            "priority": run.request.priority.value,
            "state": run.state.value,
            "winner": run.result.ranking.winner if run.result else None,
            "created_at": run.created_at_utc,
        }
        for run in runs
    ]
    if as_json:
        print_json({"runs": rows})
        return
    print_table(
        "Runs",
        ("run", "model", "priority", "state", "winner"),
        [
            (
                str(row["run_id"]),
                str(row["model"]),
                str(row["priority"]),
                str(row["state"]),
                str(row["winner"] or "–"),
            )
            for row in rows
        ],
    )
    if not runs:
        typer.echo("no run yet; start one: paceline optimize MODEL", err=True)
    if any(run.state in CAN_GO_ON for run in runs):
        typer.echo("go on with one that stopped: paceline optimize --resume RUN", err=True)


@app.command()
def show(
    run_id: RunId,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a self-contained page with charts there.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also the variants that were ended early.")
    ] = False,
) -> None:
    """Show a run: its order if it finished, the order so far if not."""
    require_writable(html, "--html")
    shop = Workshop()
    run = stored_run(run_id, shop)
    ranking = ranking_of(run, shop)
    path = receipt_path(run, shop)
    trials = shop.store.trials(run.run_id)
    if html is not None:
        samples = image_samples(run, ranking, trials, shop)
        write_output(html, run_page(run, ranking, trials, samples).encode(), "--html")
        typer.echo(f"page: {html}", err=True)
    if as_json:
        document = run_document(run, ranking, str(path) if path else None)
        search = search_document(run, ranking, shop)
        predictions = prediction_document(run.plan, trials)
        more = {"state": run.state.value, "search": search, "predictions": predictions}
        print_json({**document, **more})
        return
    if run.result is None:
        typer.echo(f"run {run.run_id} is {run.state.value}: {run.detail or 'not finished'}")
        typer.echo(f"go on with: paceline optimize --resume {run.run_id}")
    print_run(run, ranking, path, trials, every=every)


@app.command()
def compare(first: RunId, second: RunId, as_json: AsJson = False) -> None:
    """Put two runs side by side: what each measured of the variants they share."""
    comparison = compare_runs(first, second, Workshop())
    if as_json:
        print_json(comparison.document)
        return
    for line in comparison.differences:
        typer.echo(line)
    if not comparison.rows:
        typer.echo(f"{comparison.first} and {comparison.second} measured no variant in common")
        return
    print_table(
        f"{comparison.first}, then {comparison.second}",
        ("variant", "metric", "first", "second", "change", "more than noise"),
        list(comparison.rows),
    )


@app.command()
def cancel(run_id: RunId) -> None:
    """Stop a run; what it measured is kept, and it can be resumed."""
    run = cancel_run(run_id, Workshop())
    typer.echo(f"run {run.run_id}: {run.detail or 'asked to stop'}", err=True)
