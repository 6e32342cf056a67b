"""Command line: `python run.py image_synth NAME OUT --seed N`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from paceline.runtimes.image_synth.pipelines import PIPELINES


def main() -> None:
    """Build the pipeline from its configuration and save it, in bf16."""
    parser = argparse.ArgumentParser(prog="image_synth")
    parser.add_argument("name", choices=tuple(PIPELINES))
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    pipeline = PIPELINES[arguments.name]()
    pipeline.to(torch.bfloat16)
    pipeline.save_pretrained(arguments.out, safe_serialization=True)


if __name__ == "__main__":
    main()
