"""How long each format takes to make, how large it is, and whether it is the same twice.

`python benchmarks/quantize.py [MODEL] [FORMAT…]`; MODEL is `medium` (random weights, 143.7M
parameters) unless named. Needs llmcompressor's environment (`paceline engines install
llmcompressor`); about a quarter of an hour on two cores, which should have nothing else to do.
Output is Markdown, ready for docs/log.md.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from paceline.app.calibration import built_in
from paceline.app.checkpoints import quantizer_for, quantizers
from paceline.app.models import synthesize
from paceline.app.wiring import Workshop
from paceline.records.launch import Artefact
from paceline.records.model import Model


def main() -> None:
    """Make every format twice, in caches of their own."""
    name = sys.argv[1] if len(sys.argv) > 1 else "medium"
    formats = sys.argv[2:] or [format_ for tool in quantizers() for format_ in tool.formats()]
    with tempfile.TemporaryDirectory() as scratch:
        model = model_called(name, Path(scratch))
        print(
            f"{model.name}: {model.parameters:,} parameters, {model.weight_bytes / 1e6:,.1f} MB\n"
        )
        print("| format | s | MB | same twice |\n|---|---|---|---|")
        for format_ in formats:
            first, again = (made(model, format_, Path(scratch) / cache) for cache in ("1", "2"))
            same = "yes" if hashes(first) == hashes(again) else "no"
            size_mb = first.size_bytes / 1e6
            print(f"| {format_} | {first.prepared_s:.1f} | {size_mb:,.1f} | {same} |", flush=True)


def model_called(name: str, scratch: Path) -> Model:
    if name == "medium":
        return synthesize("medium", scratch / "medium", dtype="bf16", seed=0, say=said)
    return Workshop().hub.find(name)


def made(model: Model, format_: str, cache: Path) -> Artefact:
    """Made anew, for `cache` holds only the formats before; the environment is the user's."""
    tool = quantizer_for(format_)
    if tool is None:
        sys.exit(f"nothing makes {format_}")
    environment = Workshop().environments.install(tool.environment(), say=said)
    return tool.make(
        model, format_, calibration=built_in(), environment=environment, cache=cache, say=said
    )


def hashes(artefact: Artefact) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(artefact.folder).iterdir()
        if path.name != "paceline.json"
    }


def said(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
