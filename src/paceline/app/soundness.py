"""Whether a quantized checkpoint is one: its weights beside the original's, before an engine runs.

What was found is kept under the hash of everything that it rests on, so that it costs once: the
original, the artefact's identity, and size and times of its files, which a later change moves.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paceline.app.registry import usable_adapters
from paceline.errors import CandidateError, Code
from paceline.ports.engine import Say
from paceline.records.launch import Artefact
from paceline.records.model import Model
from paceline.records.weights import Deviation

if TYPE_CHECKING:  # numpy takes longer to import than a plan takes, which never gets here
    from paceline.ports.weights import Weights

FOLDER: Final = "checked-weights"
_RULE: Final = 2
"""Goes up when the judgement changes, so that what was found before is found again."""
_SEED: Final = 0


def checked_weights(
    made: Artefact, model: Model, original: Path, *, cache: Path, say: Say
) -> Artefact:
    """`made`, when rounding explains how its weights differ from those in the folder `original`.

    Seconds for a large model, nothing the second time. What cannot be compared passes: another
    layout, tensors by other names, files that were removed meanwhile or are too short; an engine
    tells of those. Raises CandidateError (`damaged-checkpoint`).
    """
    folder = Path(made.folder)
    if folder in (original, Path(model.folder)):
        return made
    try:
        damage = _found(made, model, original, cache=cache, say=say)
    except (OSError, ValueError):  # numpy has ValueError for a file that ends too early
        return made
    if damage is not None:
        raise _damaged(made, model, damage)
    return made


def open_weights(folder: Path) -> "Weights | None":
    """The checkpoint in `folder`; `None` for a layout that no reader here knows."""
    readers = usable_adapters("weights").values()
    return next((found for make in readers if (found := make().open(folder)) is not None), None)


def _found(
    made: Artefact, model: Model, original: Path, *, cache: Path, say: Say
) -> Deviation | None:
    kept = cache / FOLDER / f"{_key(made, model)}.json"
    try:
        return _remembered(kept)
    except (OSError, ValueError, TypeError, LookupError):
        damage = compared_weights(Path(made.folder), original, say)
        _remember(kept, damage)
        return damage


def _key(made: Artefact, model: Model) -> str:
    stats = [(path.name, path.stat()) for path in sorted(Path(made.folder).iterdir())]
    files = [(name, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for name, one in stats]
    text = json.dumps([_RULE, model.sha256, made.sha256, files])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _remembered(path: Path) -> Deviation | None:
    """Raises OSError, ValueError, TypeError or LookupError where nothing usable is kept."""
    damage = json.loads(path.read_text(encoding="utf-8"))["damage"]
    return None if damage is None else Deviation(**damage)


def _remember(path: Path, damage: Deviation | None) -> None:
    """Renamed into place; where the cache cannot be written, it is compared again next time."""
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps({"damage": damage and asdict(damage)}), encoding="utf-8")
        scratch.replace(path)


def compared_weights(folder: Path, original: Path, say: Say) -> Deviation | None:
    """The worst damage of the checkpoint in `folder`; `None` where there is none to be told.

    Raises OSError, and ValueError for a file that ends too early.
    """
    before, after = open_weights(original), open_weights(folder)
    if before is None or after is None:
        return None
    from paceline.trial.rounding import find_damage  # noqa: PLC0415 - as `Weights` above

    say("comparing its weights with the original's")
    return find_damage(before, after, seed=_SEED)


def _damaged(made: Artefact, model: Model, damage: Deviation) -> CandidateError:
    return CandidateError(
        Code.DAMAGED_CHECKPOINT,
        f"the {made.format} checkpoint of {model.name!r} is damaged",
        why=f"the {damage.part} of {damage.name!r} are wrong by {damage.error:.1%} of the size of"
        f" its weights; rounding to {damage.bits:g} bits explains at most {damage.limit:.1%}",
        fix=f"remove {made.folder} and run again: it is then made or fetched anew",
    )
