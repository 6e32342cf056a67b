"""`paceline pipelines`, `versions`, `rollback`: what runs left behind."""

from collections.abc import Sequence
from typing import Annotated

import typer

from paceline.app.versions import (
    VersionComparison,
    compare_versions,
    comparison_document,
    deployed_document,
    deployed_policies,
    policy_words,
)
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.records.deployment import DeployedPolicy
from paceline.records.measurement import Metric

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def pipelines(as_json: AsJson = False) -> None:
    """List pipelines and their current versions."""
    found = Workshop().store.pipelines()
    if as_json:
        rows = [{"name": p.name, "current": p.current, "versions": p.versions} for p in found]
        print_json({"pipelines": rows})
        return
    print_table(
        "Pipelines",
        ("pipeline", "current", "versions"),
        [(p.name, str(p.current), str(p.versions)) for p in found],
    )


def versions(
    pipeline: Annotated[str, typer.Argument(help="A name from `paceline pipelines`.")],
    compare: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="N M", help="Put two of them side by side instead."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a pipeline; `*` marks the current one."""
    if compare is not None:
        found = compare_versions(pipeline, *compare, Workshop())
        _print_comparison(found, as_json=as_json)
        return
    _print_versions(pipeline, Workshop(), as_json=as_json)


def rollback(
    pipeline: Annotated[str, typer.Argument(help="A name from `paceline pipelines`.")],
    number: Annotated[int, typer.Argument(help="The version to go back to.", min=1)],
) -> None:
    """Make an earlier version current. Only metadata changes; nothing running does."""
    shop = Workshop()
    at_utc = shop.clock.utc_now().isoformat(timespec="seconds")
    version = shop.store.rollback(pipeline, number, at_utc=at_utc)
    typer.echo(
        f"{pipeline} now points to version {version.number}: {version.variant.label}", err=True
    )
    typer.echo(f"what runs stays as it is until: paceline deploy {pipeline}", err=True)


def _print_versions(pipeline: str, shop: Workshop, *, as_json: bool) -> None:
    store = shop.store
    found = store.versions(pipeline)
    current = next(p.current for p in store.pipelines() if p.name == pipeline)
    deployed = deployed_policies(pipeline, shop)
    if as_json:
        rows = [
            {
                "number": v.number,
                "current": v.number == current,
                "run_id": v.run_id,
                "variant": v.variant.id,
                "receipt": v.receipt_sha256,
                "created_at": v.created_at_utc,
                "deployed": [deployed_document(one) for one in deployed.get(v.number, ())],
            }
            for v in found
        ]
        print_json({"pipeline": pipeline, "versions": rows})
        return
    print_table(
        f"Versions of {pipeline}",
        ("", "version", "variant", "run", "receipt", "created", "scaled"),
        [
            (
                "*" if v.number == current else "",
                str(v.number),
                v.variant.label,
                v.run_id,
                v.receipt_sha256[:12],
                v.created_at_utc,
                _scaled(deployed.get(v.number, ())),
            )
            for v in found
        ],
    )


def _scaled(deployed: Sequence[DeployedPolicy]) -> str:
    """By endpoint, where another than the pipeline's own serves it."""
    return "; ".join(
        policy_words(one.policy)
        if one.endpoint == one.pipeline
        else f"{one.endpoint}: {policy_words(one.policy)}"
        for one in deployed
    )


def _print_comparison(found: VersionComparison, *, as_json: bool) -> None:
    if as_json:
        print_json(comparison_document(found))
        return
    numbers = (str(found.first.number), str(found.second.number))
    print_table("What differs", ("", *numbers), list(found.specs))
    rows = [
        (
            one.metric,
            _interval(one.first),
            _interval(one.second),
            "–" if one.change is None else f"{one.change:+.1%}",
            {None: "unknown", True: "yes", False: "no"}[one.more_than_noise],
        )
        for one in found.measured
    ]
    columns = ("metric", *numbers, "change", "more than noise")
    print_table("What was measured, with 95 % intervals", columns, rows)


def _interval(metric: Metric) -> str:
    if metric.ci95 is None:
        return f"{metric.value:,.4g}"
    return f"{metric.value:,.4g} [{metric.ci95.lo:,.4g}, {metric.ci95.hi:,.4g}]"
