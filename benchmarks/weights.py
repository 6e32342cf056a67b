"""How far the weights of every checkpoint that is made here are from the limits of damage.

`python benchmarks/weights.py [FORMAT…]`: for the reference model in every format that quantizers
and engines make, the highest share of its limit that a matrix reaches, by part of its error; then
the same for the worst matrix with the scales of one layer shuffled, for the layer where that shows
least. Needs the environments of the tools; what is not in the cache is made, some minutes each.
Output is Markdown, ready for docs/log.md; no figure of time but the last, so others may be busy.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from paceline.app.checkpoints import make_format, makeable
from paceline.app.registry import load_engine
from paceline.app.soundness import open_weights
from paceline.app.wiring import Workshop
from paceline.ports.engine import HasOriginal
from paceline.records.model import Model
from paceline.records.weights import Deviation
from paceline.trial.rounding import deviations

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.e2e.shuffle import shuffle


def main() -> None:
    """One line per format."""
    shop = Workshop()
    model = shop.hub.find("reference")
    makers = makeable()
    formats = sys.argv[1:] or sorted(name for name in makers if not name.startswith("llamacpp-"))
    print("| format | scales, sound | weights, sound | scales of a layer shuffled | s |")
    print("|---|---|---|---|---|")
    for format_ in formats:
        made = make_format(model, format_, shop, calibration=None, say=lambda _: None)
        original = original_of(makers[format_], model, shop)
        started_s = time.monotonic()
        found = compare(Path(made.folder), original)
        took_s = time.monotonic() - started_s
        if found:
            sound = " | ".join(f"{highest(found, part):.2f}" for part in ("scales", "weights"))
            least = min(
                highest(damaged(Path(made.folder), layer, original), "scales")
                for layer in range(model.layers)
            )
            print(f"| {format_} | {sound} | {least:.1f} | {took_s:.2f} |", flush=True)


def original_of(maker: str, model: Model, shop: Workshop) -> Path:
    if maker == "llmcompressor":
        return Path(model.folder)
    engine = load_engine(maker)
    spec = engine.environment()
    if spec is None or not isinstance(engine, HasOriginal):
        return Path(model.folder)
    environment = shop.environments.install(spec, say=lambda _: None)
    cache = shop.places.cache
    made = engine.original(model, environment=environment, cache=cache, say=lambda _: None)
    return Path(made.folder)


def compare(folder: Path, original: Path) -> tuple[Deviation, ...]:
    before, after = open_weights(original), open_weights(folder)
    return deviations(before, after, seed=0) if before and after else ()


def damaged(folder: Path, layer: int, original: Path) -> tuple[Deviation, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(folder, copy)
        shuffle(copy, layer, seed=layer)
        return compare(copy, original)


def highest(found: tuple[Deviation, ...], part: str) -> float:
    """In shares of the limit: beyond 1 is damage."""
    return max(one.error / one.limit for one in found if one.part == part)


if __name__ == "__main__":
    main()
