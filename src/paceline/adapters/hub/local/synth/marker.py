"""`paceline_synth.json`: the mark of a model with random weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.adapters.hub.local.json_files import read_object

MARKER: Final = "paceline_synth.json"
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """How the weights came to be."""

    trained: bool
    shape: str
    seed: int


def read_marker(folder: Path) -> Marker | None:
    """The mark in `folder`, `None` when the model carries none. Raises SpecError when broken."""
    path = folder / MARKER
    if not path.exists():
        return None
    mark = read_object(path)
    seed = mark.get("seed")
    return Marker(
        trained=mark.get("trained") is True,
        shape=str(mark.get("shape")),
        seed=seed if isinstance(seed, int) else 0,
    )


def write_marker(folder: Path, marker: Marker) -> None:
    """Mark the model in `folder`."""
    mark = {
        "schema": SCHEMA,
        "trained": marker.trained,
        "shape": marker.shape,
        "seed": marker.seed,
    }
    (folder / MARKER).write_text(json.dumps(mark, indent=2) + "\n")
