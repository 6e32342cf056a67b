"""`paceline predict`: predictions for a table of deployments."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.output_files import require_writable
from paceline.app.predict import predict_file
from paceline.cli.output import print_json

TABLE_HELP = (
    "CSV with row_id, model_hf, arch_ref, gpu_spec, n_gpus, engine, engine_version, precision, "
    "kv_cache_dtype, tp, pp, ep, dp, load_mode, isl, osl, concurrency, request_rate."
)


def predict(
    table: Annotated[Path, typer.Option("--table", help=TABLE_HELP)],
    out: Annotated[Path, typer.Option("--out", help="CSV to write.")],
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Folder of config.json files, or a CSV of their keys."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Predict throughput and latency with 90 % bands, without any hardware.

    Rows without a prediction keep the reason in the output table.
    """
    require_writable(out, "--out")
    report = predict_file(table, out, models)
    if as_json:
        print_json(
            {
                "rows": report.rows,
                "predicted": report.predicted,
                "reasons": dict(report.reasons),
                "out": str(out),
            }
        )
        return
    typer.echo(f"{report.predicted} of {report.rows} rows predicted: {out}", err=True)
    for reason, count in sorted(report.reasons.items(), key=lambda pair: -pair[1]):
        typer.echo(f"  {count} without: {reason}", err=True)
