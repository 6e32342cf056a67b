"""`paceline models find`, `quantize` and `cache`: a model's other formats."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from paceline.app.artefacts import Kept, cache_limit_bytes
from paceline.app.models import (
    Made,
    ToMake,
    cached,
    empty_cache,
    find_relatives,
    plan_quantize,
    quantize,
)
from paceline.app.wiring import Workshop
from paceline.records.checkpoint import Candidate, Misfit, Relatives
from paceline.records.model import Model
from paceline.units import format_bytes

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
RemoteCode = Annotated[
    bool,
    typer.Option("--allow-remote-code", help="Accept models that bring Python code of their own."),
]
SHOWN_HASH = 7
SOME_FAILED = 2

cache_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Made checkpoints in the cache."
)


def find_command(
    model: Annotated[str, typer.Argument(help="ORG/NAME on the hub (HF_ENDPOINT), or with @REV.")],
    limit: Annotated[
        int, typer.Option(min=1, max=200, help="How many repositories to look at.")
    ] = 20,
    allow_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Look up a model's checkpoints in other formats on the hub, and say which to trust."""
    found = find_relatives(model, limit=limit, allow_remote_code=allow_remote_code, say=_say)
    typer.echo(json.dumps(_relatives(found), indent=2) if as_json else _relatives_text(found))


def quantize_command(
    model: Annotated[str, typer.Argument(help="A folder, ORG/NAME, a URL, or an installed model.")],
    format_: Annotated[
        list[str],
        typer.Option("--format", help="gptq-4, w8a8, fp8, awq-4, gguf-q4_k_m, openvino-int4 …"),
    ],
    text: Annotated[
        Path | None,
        typer.Option(help="Calibration text: paragraphs, or JSON lines with text or messages."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be made, and what refused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a model's checkpoints in other formats; what was made before is found in the cache."""
    if dry_run:
        plan = plan_quantize(model, tuple(format_), Workshop())
        rows = [asdict(one) for one in plan]
        typer.echo(json.dumps({"checkpoints": rows}, indent=2) if as_json else _plan_text(plan))
        return
    found, made = quantize(model, tuple(format_), Workshop(), text=text, say=_say)
    typer.echo(json.dumps(_made(found, made), indent=2) if as_json else _made_text(found, made))
    if any(one.artefact is None for one in made):
        raise typer.Exit(SOME_FAILED)


@cache_app.command("list")
def cache_list_command(as_json: Json = False) -> None:
    """Show what is in the cache, least recently used first."""
    there = cached(Workshop())
    if as_json:
        rows = [asdict(one) for one in there]
        typer.echo(json.dumps({"limit_bytes": cache_limit_bytes(), "artefacts": rows}, indent=2))
        return
    for one in there:
        typer.echo(_kept_text(one))
    size = format_bytes(sum(one.size_bytes for one in there))
    typer.echo(f"{len(there)} checkpoints, {size} of {format_bytes(cache_limit_bytes())}")


@cache_app.command("prune")
def cache_prune_command(
    limit: Annotated[
        str | None, typer.Option(help="50GB, 0B …; default PACELINE_CACHE_LIMIT, else 100GB.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove the least recently used down to a size; never what is deployed or in use."""
    removed = empty_cache(Workshop(), limit=limit, say=_say)
    if as_json:
        typer.echo(json.dumps({"removed": [asdict(one) for one in removed]}, indent=2))
        return
    size = format_bytes(sum(one.size_bytes for one in removed))
    typer.echo(f"removed {len(removed)} checkpoints, {size}")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _relatives(found: Relatives) -> dict[str, object]:
    candidates = [
        {"rank": rank, **asdict(one), "size_bytes": one.size_bytes}
        for rank, one in enumerate(found.candidates, 1)
    ]
    return {**asdict(found), "candidates": candidates}


def _relatives_text(found: Relatives) -> str:
    lines = [f"{found.repo}@{found.revision[:SHOWN_HASH]}, licence {found.licence or 'not stated'}"]
    for rank, one in enumerate(found.candidates, 1):
        lines += _candidate_lines(rank, one)
    if not found.candidates:
        lines.append("no checkpoint in another format")
    if found.misfits:
        lines.append("refused:")
        lines += [f"  {_misfit_text(one)}" for one in found.misfits]
    if found.not_examined:
        lines.append(f"{found.not_examined} or more not looked at; see --limit")
    return "\n".join(lines)


def _candidate_lines(rank: int, one: Candidate) -> list[str]:
    size = format_bytes(one.size_bytes)
    file = f" {one.files[0].path}" if one.method == "gguf" else ""
    head = f"{rank:>3}  {one.format:<14} {size:>9}  {one.repo}@{one.revision[:SHOWN_HASH]}{file}"
    about = [f"{one.method}{f' ({one.note})' if one.note else ''}", *one.reasons]
    return [head, f"     {'; '.join(about)}"]


def _misfit_text(one: Misfit) -> str:
    sides = f": {one.have}; needed {one.need}" if one.have and one.need else ""
    return f"{one.repo}: {one.reason}{sides}"


def _made(model: Model, made: tuple[Made, ...]) -> dict[str, object]:
    return {
        "model": {"name": model.name, "sha256": model.sha256, "source": model.source},
        "checkpoints": [asdict(one) for one in made],
    }


def _made_text(model: Model, made: tuple[Made, ...]) -> str:
    lines = [f"{model.name}, {model.format}, {format_bytes(model.weight_bytes)} of weights"]
    for one in made:
        if one.artefact is None:
            lines.append(f"  {one.format:<14} not made: {one.why_not}")
            continue
        how = "found" if one.artefact.prepared_s is None else f"{one.artefact.prepared_s:.1f} s"
        size = format_bytes(one.artefact.size_bytes)
        lines.append(f"  {one.format:<14} {size:>9}  {how:>8}  {one.artefact.folder}")
    return "\n".join(lines)


def _plan_text(plan: tuple[ToMake, ...]) -> str:
    return "\n".join(
        f"  {one.format:<14} {f'refused: {one.why_not}' if one.why_not else f'by {one.maker}'}"
        for one in plan
    )


def _kept_text(one: Kept) -> str:
    day = datetime.fromtimestamp(one.used_at_s, tz=UTC).strftime("%Y-%m-%d %H:%M")
    stays = f"  stays: {one.stays}" if one.stays else ""
    return f"{day}  {format_bytes(one.size_bytes):>9}  {one.tool}/{one.name}{stays}"
