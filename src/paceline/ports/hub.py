"""The Hub port: from what the user typed to a checked model folder."""

from typing import Protocol

from paceline.records.model import Model


class Hub(Protocol):
    """Finds a checkpoint and refuses a broken one."""

    def find(self, name: str) -> Model:
        """The model called `name` (a folder, a hub id or `reference`).

        Raises SpecError: no such folder, no model, broken config, missing or truncated shard,
        unknown architecture.
        """
        ...
