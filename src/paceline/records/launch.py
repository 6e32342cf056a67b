"""How an engine process is started, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from paceline.records.variant import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBuild:
    """Programs that CMake builds from the source inside a distribution of the package index.

    `sdist` is `name==version` and `sha256` that of its file; `folder` is the CMake project in it.
    `programs` are needed, `targets` (which include them) are built. An installation of the user's
    own that has all `programs` in one folder of PATH spares the build.
    """

    sdist: str
    sha256: str
    folder: str
    options: tuple[str, ...]
    programs: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """The Python environment an engine needs; equal specs share one environment.

    `requirements` are pinned; `overrides` replace pins of dependencies (uv's override file).
    `program` is the engine's command, by which an installation of the user's own is found.
    `source` is for an engine that is no Python package: its programs are built besides.
    `aliases` (`name==version`) are names under which a package asks for itself although it is
    distributed under another; they are written down as distributions without files.
    """

    name: str
    requirements: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    program: str | None = None
    source: SourceBuild | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An installed environment. `lock` lists every distribution with its exact version.

    `source_dir` is the unpacked source of an engine that is built from one, else `None`.
    """

    name: str
    python: str
    bin_dir: str
    lock: tuple[str, ...]
    lock_sha256: str
    installed_s: float | None = None
    """What the installation took, `None` when it was found in place."""
    source_dir: str | None = None


class EnvironmentState(StrEnum):
    """What `engines list` shows."""

    INSTALLED = "installed"
    ABSENT = "absent"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStatus:
    """Whether an environment can be used, and why not."""

    name: str
    state: EnvironmentState
    detail: str
    environment: Environment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """What an engine loads: the model folder itself or what was made from it.

    `recipe` says how it was made (`None`: used as it is); `prepared_s` is `None` when it was
    found in the cache.
    """

    folder: str
    format: str
    sha256: str
    size_bytes: int
    recipe: str | None = None
    prepared_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """One server process, complete: nothing is looked up later.

    `ready_path` answers 200 when the server can serve. `model_name` is what requests must name.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    ready_path: str
    model_name: str
    grace_s: float
    """How long the engine may finish what is in flight after SIGTERM."""
    ready_timeout_s: float
    exact_output: tuple[tuple[str, Scalar], ...] = (("ignore_eos", True),)
    """Request fields that make this engine generate to `max_tokens`, whatever the model says."""
    cores: tuple[int, ...] = ()
    """The cores that it may run on, as the kernel numbers them; empty: those of its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """A process that asks an engine's own argument parser about command lines.

    It gets a JSON list of command lines on standard input, each a launch's `argv` without its first
    `skipped` parts, and one more argument: the file to write a JSON list to, for each the parser's
    words against it or null. What a parser cannot see (memory, missing cards) is not judged.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    skipped: int
    timeout_s: float


class Cause(StrEnum):
    """Why a trial, or the process in it, ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    OUT_OF_MEMORY = "out-of-memory"
    UNSUPPORTED = "unsupported"
    BAD_CHECKPOINT = "bad-checkpoint"
    BAD_FLAG = "bad-flag"
    GATED = "gated"
    """The model's files are not there and may not, or cannot, be fetched."""
    REMOTE_CODE = "remote-code"
    """The model brings code of its own, which nobody allowed to run."""
    MISSING_DEPENDENCY = "missing-dependency"
    PORT_IN_USE = "port-in-use"
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    PREPARE_FAILED = "prepare-failed"
    LOAD_FAILED = "load-failed"
    GARBAGE = "garbage"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """How a server process ended.

    `exit_code` is negative for a signal (as `subprocess` has it) and `None` while it runs;
    `ready` is False when it never answered; `log_tail` holds the last lines it wrote.
    """

    exit_code: int | None
    ready: bool
    waited_s: float
    log_tail: str
