"""Where the trained reference model and its held-out suite lie on this disk."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Reference", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The model as a Hugging Face folder, and the suite as JSON lines."""

    name: str
    model_path: Path
    suite_path: Path


def reference() -> Reference:
    """Locate the files; touches neither of them."""
    here = Path(__file__).resolve().parent
    return Reference(name="reference", model_path=here / "model", suite_path=here / "suite.jsonl")
