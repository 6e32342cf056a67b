"""Writes `standard.jsonl`: run as `python -m paceline.adapters.quality.suites.data.make`.

Same sources, same file, byte for byte. A change of any item needs a new VERSION.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

from paceline.adapters.quality.suites.data.drafts import Draft
from paceline.adapters.quality.suites.data.general import general
from paceline.adapters.quality.suites.data.instructions import instructions
from paceline.adapters.quality.suites.data.multi_turn import multi_turn
from paceline.adapters.quality.suites.data.reasoning import reasoning
from paceline.adapters.quality.suites.data.structured import structured
from paceline.adapters.quality.suites.data.tools import tools
from paceline.adapters.quality.suites.read import hash_of

VERSION: Final = "1"
CANARY: Final = "paceline-standard-suite canary 6f1d2c1e-4a57-4b0e-9a3e-5d0c8b7f2e94"
"""Whoever finds this in a model's training data knows that its scores here mean nothing."""

# The parts that users notice most weigh most; the forms of output weigh a tenth each.
WEIGHTS: Final = {
    "general": 0.25,
    "multi_turn": 0.2,
    "reasoning": 0.25,
    "instructions": 0.1,
    "structured": 0.1,
    "tools": 0.1,
}


def drafts() -> list[Draft]:
    """Every item, family by family."""
    makers = (general, multi_turn, reasoning, instructions, structured, tools)
    return [draft for make in makers for draft in make()]


def render() -> str:
    """The file: a header with version, canary, weights and hash, then one item per line."""
    found = drafts()
    lines = "".join(json.dumps(draft, ensure_ascii=False) + "\n" for draft in found)
    header = {
        "suite": "standard",
        "version": VERSION,
        "canary": CANARY,
        "items": len(found),
        "weights": WEIGHTS,
        "sha256": hash_of(lines, WEIGHTS),
        "licence": "Apache-2.0",
    }
    return json.dumps(header) + "\n" + lines


def main() -> None:
    """Write the file beside this module."""
    path = Path(str(files(__package__))) / "standard.jsonl"
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
