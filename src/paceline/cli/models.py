"""`paceline models`: inspect a model; find and make its other formats; random-weight models."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from paceline.app.models import inspect_model, plan_synth, synthesize
from paceline.cli.checkpoints import cache_app, find_command, quantize_command
from paceline.records.model import Model, SynthPlan

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("find")(find_command)
app.command("quantize")(quantize_command)
app.add_typer(cache_app, name="cache")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
KV_BYTES_PER_ELEMENT = 2  # engines keep the cache in 16 bits unless told otherwise
HASH_SHOWN = 12


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
    seed: Annotated[int, typer.Option(help="Same seed, same weights.")] = 0,
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
    document = {**asdict(model), "weight_bytes": model.weight_bytes, "sha256": model.sha256}
    return json.dumps(document, indent=2)


def _text(model: Model) -> str:
    kv_bytes = 2 * model.layers * model.kv_heads * model.head_size * KV_BYTES_PER_ELEMENT
    trained = "trained" if model.trained else "random weights, quality not measurable"
    head = f"{model.name}: {model.architecture}, {_parameters(model.parameters)} parameters"
    shape = f"{model.layers} layers, hidden {model.hidden_size}"
    context = f"{model.max_context_tokens or 'not stated'} tokens"
    rows = (
        ("folder", model.folder),
        ("shape", f"{shape}, {model.kv_heads} KV heads of {model.head_size}"),
        ("context", f"{context}; KV cache {kv_bytes / 1024:,.1f} KiB per token in 16 bits"),
        ("chat", "template" if model.has_chat_template else "no template"),
        ("quality", f"{trained}; items {model.suite_path or 'none of its own'}"),
        ("content", f"{len(model.files)} files, sha256 {model.sha256[:HASH_SHOWN]}"),
    )
    lines = [f"{head}, {model.format}, {model.weight_bytes / 1e6:,.1f} MB of weights"]
    return "\n".join(lines + [f"  {name:<9} {value}" for name, value in rows])


def _plan_text(plan: SynthPlan, out: Path) -> str:
    return (
        f"{plan.shape}: {plan.architecture}, {_parameters(plan.parameters)} parameters,"
        f" {plan.dtype}, {plan.weight_bytes / 1e6:,.1f} MB would be written to {str(out)!r}"
    )


def _parameters(count: int) -> str:
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.1f}M"  # noqa: PLR2004
