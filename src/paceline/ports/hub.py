"""The Hub port: from what the user typed to a checked model folder."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from paceline.ports.engine import Say
from paceline.records.checkpoint import Fetched, Relatives
from paceline.records.model import Model, SynthPlan


class Hub(Protocol):
    """Finds a checkpoint and refuses a broken one."""

    def find(self, name: str) -> Model:
        """The model called `name` (a folder, a hub id or `reference`).

        Raises SpecError: no such folder, no model, broken config, missing or truncated shard,
        unknown architecture.
        """
        ...


@runtime_checkable
class CanSynthesize(Protocol):
    """A hub that also makes models with random weights, for speed measurements."""

    def plan_synth(self, shape: str, *, dtype: str) -> SynthPlan:
        """What `synthesize` would write, without writing it. Raises like it."""
        ...

    def synthesize(self, shape: str, out: Path, *, dtype: str, seed: int) -> Model:
        """Write a model of `shape` (a known name, a config.json or its folder) to `out`.

        Seconds per GB. Raises SpecError: unknown shape or dtype, `out` is taken or not writable;
        SetupError: the disk is full. Nothing is left of it then.
        """
        ...


@runtime_checkable
class OutlinesPipelines(Protocol):
    """A hub that knows an image model without its weights."""

    def outline(self, folder: str) -> Model:
        """What the small files of the pipeline in `folder` say: no files, no parameters.

        Raises SpecError for a broken or unknown one.
        """
        ...


class HubFactory(Protocol):
    """What an entry point of `paceline.hubs` names."""

    def __call__(self, cache: Path, *, say: Say = ..., allow_remote_code: bool = ...) -> Hub:
        """A hub that keeps what it learns in `cache` and is silent unless `say` is given.

        Models that bring Python code of their own are refused unless `allow_remote_code`.
        """
        ...


class Source(Protocol):
    """A place that models are fetched from."""

    def covers(self, name: str) -> bool:
        """Whether `name` is in this source's form (`ORG/NAME`, `s3://…`); asks nobody."""
        ...

    def fetch(self, name: str, *, weights: bool) -> Fetched:
        """The model's files in a local folder, at one revision; fetched once.

        Without `weights` only the small files (config, tokenizer) are fetched: enough to plan.
        Raises SpecError: no such model, no access, code of its own, no safetensors weights;
        SetupError: not reachable, offline, wrong token; CapacityError: asked too often.
        """
        ...


@runtime_checkable
class FindsRelatives(Protocol):
    """A source that knows which checkpoints were made from which model."""

    def relatives(self, name: str, *, limit: int) -> Relatives:
        """Checkpoints of the model `name` in other formats; examines up to `limit` repositories.

        Seconds. Raises like `Source.fetch`; what is wrong with a candidate is told in the answer.
        """
        ...


class SourceFactory(Protocol):
    """What an entry point of `paceline.sources` names."""

    def __call__(self, cache: Path, *, say: Say = ..., allow_remote_code: bool = ...) -> Source:
        """A source that may keep files in `cache`.

        Models that bring Python code of their own are refused unless `allow_remote_code`.
        """
        ...
