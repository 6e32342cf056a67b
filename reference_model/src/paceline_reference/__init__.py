"""Where the trained reference models and their suites lie on this disk."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Reference", "reference", "reference_image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The model as a folder (Hugging Face or Diffusers), and the suite as JSON lines."""

    name: str
    model_path: Path
    suite_path: Path


def reference() -> Reference:
    """Locate the files; touches neither of them."""
    here = Path(__file__).resolve().parent
    return Reference(name="reference", model_path=here / "model", suite_path=here / "suite.jsonl")


def reference_image() -> Reference:
    """Locate the files of the image model; touches none of them."""
    here = Path(__file__).resolve().parent
    return Reference(
        name="reference-image",
        model_path=here / "image_model",
        suite_path=here / "image_suite.jsonl",
    )
