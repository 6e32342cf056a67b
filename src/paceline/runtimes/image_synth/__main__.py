"""Command line: `python run.py image_synth NAME OUT --seed N`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

import torch

from paceline.runtimes.image_synth.full_size import FULL_SIZE
from paceline.runtimes.image_synth.pipelines import PIPELINES

# The mark by which Paceline knows weights that mean nothing (adapters/hub/local/synth/marker.py).
_MARKER: Final = "paceline_synth.json"


def main() -> None:
    """Build the pipeline from its configuration and save it, in bf16."""
    parser = argparse.ArgumentParser(prog="image_synth")
    known = {**PIPELINES, **FULL_SIZE}
    parser.add_argument("name", choices=tuple(known))
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_default_dtype(torch.bfloat16)
    # Billions of random numbers take minutes on a processor, and seconds on a card.
    large = arguments.name in FULL_SIZE and torch.cuda.is_available()
    with torch.device("cuda" if large else "cpu"):
        pipeline = known[arguments.name]()
    pipeline.save_pretrained(arguments.out, safe_serialization=True)
    mark = {"schema": 1, "trained": False, "shape": arguments.name, "seed": arguments.seed}
    (arguments.out / _MARKER).write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
