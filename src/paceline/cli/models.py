"""`paceline models`: inspect a model; find and make its other formats; random-weight models."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from paceline.app.licenses import license_document, license_line
from paceline.app.models import (
    InstalledModel,
    inspect_model,
    installed_models,
    plan_synth,
    synthesize,
)
from paceline.cli.checkpoints import cache_app, find_command, quantize_command
from paceline.cli.output import print_json, print_table
from paceline.records.image import ImageFamily
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.records.model import Model, SynthPlan
from paceline.records.request import MOST_SEED

app = typer.Typer(rich_markup_mode=None)
app.command("find")(find_command)
app.command("quantize")(quantize_command)
app.add_typer(cache_app, name="cache")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
KV_BYTES_PER_ELEMENT = 2  # engines keep the cache in 16 bits unless told otherwise
HASH_SHOWN = 12


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Without a command: the installed models."""
    if context.invoked_subcommand is None:
        list_command()


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """Show the models that installed packages bring, with what they do and their licence."""
    found = installed_models(say=_say)
    if as_json:
        print_json({"models": [_installed(one) for one in found]})
        return
    print_table(
        "Installed models",
        ("model", "makes", "parameters", "format", "licence"),
        [
            (one.name, "–", "–", "–", one.why_not or "")
            if one.model is None
            else (
                one.name,
                "pictures" if one.model.image_family else "text",
                _parameters(one.model.parameters),
                one.model.format,
                _licence(one.model),
            )
            for one in found
        ],
    )


def _installed(one: InstalledModel) -> dict[str, object]:
    if one.model is None:
        return {"name": one.name, "broken": one.why_not}
    return {
        "name": one.name,
        "architecture": one.model.architecture,
        "image_family": one.model.image_family,
        "parameters": one.model.parameters,
        "format": one.model.format,
        "folder": one.model.folder,
        "license": license_document(one.model),
    }


def _licence(model: Model) -> str:
    document = license_document(model)
    return "see its package" if document is None else str(document["name"])


@app.command("inspect")
def inspect_command(
    model: Annotated[str, typer.Argument(help="A folder, ORG/NAME, a URL, or an installed model.")],
    allow_remote_code: Annotated[
        bool, typer.Option(help="Accept a model that brings Python code of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a model without loading it: config, shards, tokenizer, hash of every file."""
    found = inspect_model(model, allow_remote_code=allow_remote_code, say=_say)
    typer.echo(_json(found) if as_json else _text(found))


@app.command("synth")
def synth_command(
    shape: Annotated[
        str, typer.Argument(help="A known shape (tiny, medium, qwen3-0.6b …) or a config.json.")
    ],
    out: Annotated[Path, typer.Argument(help="The new folder.")],
    dtype: Annotated[str, typer.Option(help="bf16, fp16 or fp32.")] = "bf16",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Same seed, same weights.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be made.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a model with random weights, for speed; its quality is not measurable."""
    if dry_run:
        plan = plan_synth(shape, dtype=dtype, say=_say)
        typer.echo(json.dumps(asdict(plan), indent=2) if as_json else _plan_text(plan, out))
        return
    made = synthesize(shape, out, dtype=dtype, seed=seed, say=_say)
    typer.echo(_json(made) if as_json else _text(made))


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _json(model: Model) -> str:
    document = {
        **asdict(model),
        "weight_bytes": model.weight_bytes,
        "sha256": model.sha256,
        "license": license_document(model),
    }
    return json.dumps(document, indent=2)


def _text(model: Model) -> str:
    trained = "trained" if model.trained else "random weights, quality not measurable"
    head = f"{model.name}: {model.architecture}, {_parameters(model.parameters)} parameters"
    family = IMAGE_FAMILIES.get(model.image_family or "")
    rows = (
        ("folder", model.folder),
        *(_text_rows(model) if family is None else _image_rows(family)),
        ("quality", f"{trained}; items {model.suite_path or 'none of its own'}"),
        ("content", f"{len(model.files)} files, sha256 {model.sha256[:HASH_SHOWN]}"),
    )
    lines = [f"{head}, {model.format}, {model.weight_bytes / 1e6:,.1f} MB of weights"]
    return "\n".join(lines + [f"  {name:<9} {value}" for name, value in rows])


def _text_rows(model: Model) -> tuple[tuple[str, str], ...]:
    kv_bytes = 2 * model.layers * model.kv_heads * model.head_size * KV_BYTES_PER_ELEMENT
    shape = f"{model.layers} layers, hidden {model.hidden_size}"
    context = f"{model.max_context_tokens or 'not stated'} tokens"
    return (
        ("shape", f"{shape}, {model.kv_heads} KV heads of {model.head_size}"),
        ("context", f"{context}; KV cache {kv_bytes / 1024:,.1f} KiB per token in 16 bits"),
        ("chat", "template" if model.has_chat_template else "no template"),
    )


def _image_rows(family: ImageFamily) -> tuple[tuple[str, str], ...]:
    size = f"{family.side_px}x{family.side_px} px"
    steps = f"{family.steps} steps, guidance {family.guidance:g}"
    return (
        ("family", f"{family.title}, {family.mode.value}"),
        ("asked", f"{size} in {steps}, {family.scheduler.value}"),
        ("licence", license_line(family)),
    )


def _plan_text(plan: SynthPlan, out: Path) -> str:
    return (
        f"{plan.shape}: {plan.architecture}, {_parameters(plan.parameters)} parameters,"
        f" {plan.dtype}, {plan.weight_bytes / 1e6:,.1f} MB would be written to {str(out)!r}"
    )


def _parameters(count: int) -> str:
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.1f}M"  # noqa: PLR2004
