"""The file of `--file`."""

from pathlib import Path

from paceline.errors import Code, SpecError, reason_of
from paceline.spec.read import RequestText


def request_text(file: Path | None) -> RequestText | None:
    """Its name and content. Raises SpecError when it cannot be read."""
    if file is None:
        return None
    try:
        return RequestText(name=str(file), text=file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            Code.BAD_INPUT_FILE,
            f"cannot read {str(file)!r}",
            why=reason_of(error),
            fix="--file takes a request in YAML (docs/reference/constraints.md)",
        ) from error
