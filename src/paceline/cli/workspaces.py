"""`paceline workspaces`: what the keys of a workspace may use together."""

from typing import Annotated

import typer

from paceline.app.wiring import Workshop
from paceline.app.workspaces import (
    ShownWorkspace,
    all_workspaces,
    limit_workspace,
    set_quota,
    workspace_document,
)
from paceline.cli.keys import KNOWN_WITHIN
from paceline.cli.output import print_json, print_table
from paceline.records.access import RunQuota, UseLimits

app = typer.Typer(rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback(invoke_without_command=True)
def workspaces(context: typer.Context) -> None:
    """Without a command: the list."""
    if context.invoked_subcommand is None:
        list_workspaces()


@app.command("list")
def list_workspaces(as_json: AsJson = False) -> None:
    """Show workspaces with their limits, keys and endpoints, and what the month has cost."""
    found = all_workspaces(Workshop())
    if as_json:
        print_json({"workspaces": [workspace_document(one) for one in found]})
        return
    print_table(
        "Workspaces",
        (
            *("workspace", "requests/min", "tokens/min", "at once", "USD/month", "spent"),
            *("runs", "keys", "endpoints"),
        ),
        [_row(one) for one in found],
    )


@app.command()
def limit(
    name: Annotated[str, typer.Argument(help="As keys and endpoints name it.")],
    requests_per_min: Annotated[int | None, typer.Option(help="Most requests a minute.")] = None,
    tokens_per_min: Annotated[
        int | None, typer.Option(help="Most tokens a minute, in and out.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Most requests at once.")] = None,
    monthly_budget: Annotated[
        float | None, typer.Option(help="USD a calendar month; then 402.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what all keys of a workspace may use together, beside the limits that each of them has.

    A limit that is not given does not apply any more.
    """
    limits = UseLimits(
        requests_per_min=requests_per_min,
        tokens_per_min=tokens_per_min,
        concurrency=concurrency,
        budget_usd_per_month=monthly_budget,
    )
    shop = Workshop()
    limit_workspace(name, limits, shop.store.access, shop.clock)
    what = "has no limits any more" if limits == UseLimits() else "is limited"
    typer.echo(f"workspace {name!r} {what}; {KNOWN_WITHIN}", err=True)
    if as_json:
        _print_one(name, shop)


@app.command()
def quota(
    name: Annotated[str, typer.Argument(help="As `optimize --workspace` names it.")],
    runs_per_month: Annotated[
        int | None, typer.Option(help="Most runs a calendar month; failed ones are given back.")
    ] = None,
    concurrent_runs: Annotated[int | None, typer.Option(help="Most runs at once.")] = None,
    overage: Annotated[
        bool, typer.Option("--overage", help="Runs above the month's number are made and counted.")
    ] = False,
    accelerator: Annotated[
        list[str] | None, typer.Option(help="Only these accelerators (repeatable).")
    ] = None,
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help="Only these formats and the baseline's (repeatable)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what may be optimized in the name of a workspace.

    What is not given does not apply any more. Runs under way go on.
    """
    wanted = RunQuota(
        runs_per_month=runs_per_month,
        concurrent_runs=concurrent_runs,
        overage=overage,
        accelerators=tuple(accelerator) if accelerator else None,
        formats=tuple(format_) if format_ else None,
    )
    shop = Workshop()
    set_quota(name, wanted, shop.store.access, shop.clock)
    what = "has no quota any more" if wanted == RunQuota() else "has a quota"
    typer.echo(f"workspace {name!r} {what}", err=True)
    if as_json:
        _print_one(name, shop)


def _print_one(name: str, shop: Workshop) -> None:
    shown = next(one for one in all_workspaces(shop) if one.workspace.name == name)
    print_json(workspace_document(shown))


def _row(shown: ShownWorkspace) -> tuple[str, ...]:
    limits, most = shown.workspace.limits, shown.workspace.quota.runs_per_month
    given = (
        *(limits.requests_per_min, limits.tokens_per_min),
        *(limits.concurrency, limits.budget_usd_per_month),
    )
    return (
        shown.workspace.name,
        *("–" if one is None else f"{one:g}" for one in given),
        f"{shown.spent_usd:.4f}",
        f"{len(shown.runs.this_month)}/{'–' if most is None else most}",
        str(shown.keys),
        " ".join(shown.endpoints),
    )
