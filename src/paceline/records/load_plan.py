"""What a load test sends: the shape that a user asks for and the plan that is made from it.

A `LoadShape` describes distributions; `trial.arrivals.plan_load` draws a `LoadPlan` from it, in
which every request has its length and, in open loop, its due time. The same shape and seed always
give the same plan, so what was sent can be repeated from the shape alone.
"""

from dataclasses import dataclass
from enum import StrEnum

from paceline.units import Seconds


class LengthKind(StrEnum):
    """Families of token-length distributions."""

    FIXED = "fixed"
    UNIFORM = "uniform"
    NORMAL = "normal"
    LOGNORMAL = "lognormal"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """A distribution of token counts, in tokens; draws are rounded and clipped to `low`–`high`.

    `mean` and `deviation` are of the distribution itself (for the log-normal too, not of its
    logarithm), before clipping. `uniform` uses only the bounds, `fixed` only the mean.
    """

    kind: LengthKind
    mean: float
    deviation: float = 0.0
    low: int = 1
    high: int = 1_000_000


class Arrivals(StrEnum):
    """What decides when a request is sent."""

    CLOSED = "closed"
    """A fixed number in flight: the next is sent when one ends."""
    POISSON = "poisson"
    CONSTANT = "constant"
    GAMMA = "gamma"
    TRACE = "trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of load at one level, or a ramp to another.

    The level is requests/s in open loop and requests in flight in closed loop.
    """

    duration_s: float
    level: float
    end_level: float | None = None
    """`None` holds `level`; else the level changes linearly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One line of a trace: when, relative to its start, and how long."""

    t_s: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message: `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt of the user's own; `output_tokens` is `None` to draw it from the shape."""

    messages: tuple[Message, ...]
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How requests are sent, apart from when and what.

    `processes` is the number of client processes: `None` lets the client choose, 0 runs in the
    calling thread (cheaper, but whatever else runs there delays it). `exact_output` asks the
    server to ignore end-of-sequence (`ignore_eos`, which vLLM, SGLang and llama.cpp know).
    `extra_body` is merged into every request body.
    """

    timeout_s: float = 300.0
    """From the moment a request is written; then it is given up and counted as timed out."""
    drain_s: float = 60.0
    """How long requests in flight may finish after the last one was sent."""
    connect_timeout_s: float = 10.0
    exact_output: bool = False
    extra_body: tuple[tuple[str, str | int | float | bool], ...] = ()
    tokenizer_path: str | None = None
    """A `tokenizer.json` or a folder with one; prompts then have exact lengths."""
    processes: int | None = None
    own_seeds: bool = False
    """Every request for a picture gets a `seed` of its own, which follows from the plan's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadShape:
    """A load as its user describes it.

    Closed loop when `concurrency` is given, open loop when `rate_rps`, a trace or open-loop
    stages are; exactly one of them. `requests` counts requests (not sessions) and `duration_s`
    bounds the time in which they start; at least one is given, or stages or a trace imply it.
    With `turns` above one a session sends its turns one after the other, each with the history
    before it. The shared prefix is the first `prefix_tokens` of every prompt, drawn from
    `prefix_groups` different texts.
    """

    arrivals: Arrivals = Arrivals.CLOSED
    concurrency: int | None = None
    rate_rps: float | None = None
    gamma_cv: float | None = None
    stages: tuple[Stage, ...] = ()
    trace: tuple[TraceRow, ...] = ()
    requests: int | None = None
    duration_s: Seconds | None = None
    max_in_flight: int | None = None
    input_tokens: Lengths = Lengths(kind=LengthKind.FIXED, mean=256)
    output_tokens: Lengths = Lengths(kind=LengthKind.FIXED, mean=64)
    prefix_tokens: int = 0
    prefix_groups: int = 1
    turns: Lengths = Lengths(kind=LengthKind.FIXED, mean=1)
    think_s: float = 0.0
    prompts: tuple[Prompt, ...] = ()
    warmup_requests: int = 0
    seed: int = 0
    settings: ClientSettings = ClientSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One request to come. Turns of one session are consecutive rows with rising `turn`.

    `due_s` is relative to the start of the window and set for first turns in open loop only.
    `input_tokens` counts the new text of this turn, the shared prefix included, history not.
    """

    due_s: float | None
    input_tokens: int
    output_tokens: int
    session: int
    turn: int = 0
    stage: int = 0
    prefix_group: int | None = None
    prompt: int | None = None
    """Index into `LoadPlan.prompts`; `None` for synthetic text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How many sessions may be in flight from `at_s` on; linear up to the next level if `ramp`."""

    at_s: float
    in_flight: float
    stage: int = 0
    ramp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """A load drawn in full; what a `LoadGenerator` executes.

    Closed loop when `levels` is not empty: sessions start whenever fewer than the current level
    are in flight, and `rows` is repeated with fresh text until `requests` or `duration_s` ends
    it. Open loop when it is empty: each first turn starts when it is due, or, while
    `max_in_flight` are unanswered, as soon as one of them ends.
    """

    arrivals: Arrivals
    rows: tuple[PlannedRequest, ...]
    levels: tuple[Level, ...]
    requests: int | None
    duration_s: Seconds | None
    max_in_flight: int | None
    offered_rps: float | None
    """Mean rate of first turns in open loop, `None` in closed loop."""
    prefix_tokens: int
    think_s: float
    prompts: tuple[Prompt, ...]
    warmup_requests: int
    seed: int
    settings: ClientSettings

    @property
    def open_loop(self) -> bool:
        """Whether arrivals follow a schedule; then every limit is judged on scheduled times."""
        return not self.levels
