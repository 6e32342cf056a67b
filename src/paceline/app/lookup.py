"""Checkpoints that someone has already made of a model from a hub: found once, fetched on use.

Only what its own tags name as made from the model, open to everyone and without code of its own; a
name that merely looks right is no reason to run it unasked. Not found is no error: then it is made.
"""

from paceline.app.hubs import AnyHub
from paceline.errors import PacelineError
from paceline.ports.engine import Say
from paceline.ports.hub import FindsRelatives
from paceline.records.checkpoint import Candidate, Gate
from paceline.records.launch import Artefact
from paceline.records.model import Model

_LIMIT = 20


class Lookup:
    """Remembers what the hub answered for as long as this process lives."""

    def __init__(self, hub: AnyHub) -> None:
        self._hub = hub
        self._answers: dict[str, tuple[Candidate, ...]] = {}

    def best(self, model: Model, format_: str) -> Candidate | None:
        """The first in the hub's order that can be trusted; `None` for models from elsewhere.

        Asks the hub the first time (seconds); a hub that does not answer has nothing.
        """
        if model.source is None:
            return None
        if model.source not in self._answers:
            self._answers[model.source] = self._ask(model.source)
        return next((one for one in self._answers[model.source] if one.format == format_), None)

    def fetch(self, candidate: Candidate, *, say: Say) -> Artefact:
        """The checkpoint, fetched at its commit and checked like any model.

        Raises as `AnyHub.find`.
        """
        name = f"{candidate.repo}@{candidate.revision}"
        say(f"using {name}, which is tagged as made from this model")
        model = self._hub.find(name)
        return Artefact(
            folder=model.folder,
            format=candidate.format,
            sha256=model.sha256,
            size_bytes=model.weight_bytes,
            recipe=f"fetched {name} ({candidate.method})",
        )

    def _ask(self, source: str) -> tuple[Candidate, ...]:
        for place in self._hub.sources():
            if isinstance(place, FindsRelatives) and place.covers(source):
                try:
                    found = place.relatives(source, limit=_LIMIT)
                except PacelineError:
                    return ()
                return tuple(
                    one for one in found.candidates if one.stated and one.gate is Gate.OPEN
                )
        return ()
