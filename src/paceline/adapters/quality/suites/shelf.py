"""Where suites come from: the standard one, those that models bring along, and the user's files."""

from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Final

from paceline.adapters.quality.suites.mixture import mixture_of, parts_of
from paceline.adapters.quality.suites.needle import NEEDLE, needle_suite
from paceline.adapters.quality.suites.read import read_suite
from paceline.errors import Code, SetupError, SpecError
from paceline.records.quality import Suite

STANDARD: Final = "standard"
BUILT_IN: Final = (STANDARD, "pictures")
MODELS_GROUP: Final = "paceline.models"
_SUFFIXES: Final = (".jsonl", ".csv")


class SuiteShelf:
    """Suites by name or file; every read checks the hash that the suite declares."""

    def names(self) -> tuple[str, ...]:
        """The suites that come with Paceline, then the models' own by name."""
        models = {point.name for point in entry_points(group=MODELS_GROUP)}
        return (*BUILT_IN, *sorted(models))

    def find(self, name: str) -> Suite:
        """See `Suites.find`. A mixture is `SHARE*NAME+SHARE*NAME`."""
        parts = parts_of(name)
        if parts is not None:
            return mixture_of(name, parts, [self._one(part.name) for part in parts])
        return self._one(name)

    def _one(self, name: str) -> Suite:
        if name.startswith(NEEDLE):
            return needle_suite(name)
        if name in BUILT_IN:
            return read_suite(Path(str(files(__package__) / "data" / f"{name}.jsonl")))
        for point in entry_points(group=MODELS_GROUP, name=name):
            return read_suite(_suite_path(point.load()()))
        if name.endswith(_SUFFIXES):
            return read_suite(Path(name))
        near = get_close_matches(name, self.names(), n=1)
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"no suite is called {name!r}",
            why=f"known suites: {', '.join(self.names())}, {NEEDLE}TOKENS; "
            f"files end in {' or '.join(_SUFFIXES)}",
            fix=f"--suite {near[0] if near else STANDARD}",
        )


def _suite_path(model: object) -> Path:
    """The path that a model package declares. Raises SetupError when it declares none."""
    path = getattr(model, "suite_path", None)
    if not isinstance(path, Path):
        raise SetupError(
            Code.PLUGIN_BROKEN,
            f"the model package gives no suite: {model!r}",
            why=f"`suite_path` is {path!r}, a path is needed",
            fix="reinstall the package, or name a suite file with --suite",
        )
    return path
