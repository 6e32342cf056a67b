"""Many open streams through a rolling redeploy: how many broke, and how long first tokens took."""

import threading
import time
from dataclasses import dataclass

import numpy as np
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, Serving

from paceline.adapters.load.openai_http import OpenAiHttp
from paceline.records.load import LoadProgress, LoadResult, Target
from paceline.records.load_plan import ClientSettings, LengthKind, Lengths, LoadShape
from paceline.records.samples import Outcome, RequestSample
from paceline.trial.arrivals import plan_load
from paceline.units import Seconds

LONGEST_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What clients saw; TTFT in ms of the streams that were asked for before and in the roll.

    `broken` are all that did not end as they must with all their tokens, with what was wrong.
    """

    roll_s: float
    streams: int
    ttft_before_ms: tuple[float, ...]
    ttft_in_roll_ms: tuple[float, ...]
    broken: tuple[str, ...]

    @property
    def p99_ratio(self) -> float:
        """p99 TTFT in the roll over that before."""
        return float(
            np.quantile(self.ttft_in_roll_ms, 0.99) / np.quantile(self.ttft_before_ms, 0.99)
        )


def roll(
    paceline: Paceline,
    one: Serving,
    *,
    to_version: int,
    streams: int,
    tokens: int,
    before_s: float,
    replicas: int,
) -> Rolled:
    """Keep `streams` open, deploy `demo@to_version`, and go on until nothing of before is left."""
    load = _Load(one.url, streams=streams, tokens=tokens)
    load.start()
    time.sleep(before_s)
    arrived = f"version {to_version} carries all traffic"
    earlier = sum(arrived in line for line in list(one.said))
    began_s = time.monotonic()
    assert paceline("deploy", f"demo@{to_version}").code == 0
    one.heard(arrived, earlier + 1)
    one.until(lambda it: len(it.children("fake_server")) == replicas, "rolled")
    ended_s = time.monotonic()
    found = load.end()
    offset_s = found.window_start_monotonic_s
    samples = [one for one in found.samples if one.sent_s is not None]
    asked = [one for one in samples if _sent_s(one) + offset_s < ended_s]
    before = [one for one in asked if _sent_s(one) + offset_s < began_s]
    return Rolled(
        roll_s=ended_s - began_s,
        streams=len(asked),
        ttft_before_ms=_ttft_ms(before),
        ttft_in_roll_ms=_ttft_ms([one for one in asked if _sent_s(one) + offset_s >= began_s]),
        broken=tuple(
            f"{one.outcome.value} after {len(one.chunk_s)} of {tokens} tokens: {one.detail}"
            for one in asked
            if one.outcome is not Outcome.OK or one.output_tokens != tokens
        ),
    )


class _Load:
    """A closed loop in a thread; at its end it lets what is in flight end."""

    def __init__(self, url: str, *, streams: int, tokens: int) -> None:
        shape = LoadShape(
            concurrency=streams,
            duration_s=Seconds(LONGEST_S),
            input_tokens=Lengths(kind=LengthKind.FIXED, mean=16),
            output_tokens=Lengths(kind=LengthKind.FIXED, mean=tokens),
            settings=ClientSettings(exact_output=True, processes=1, timeout_s=60.0),
        )
        self._plan = plan_load(shape)
        self._target = Target(base_url=url, model="demo")
        self._streams = streams
        self._all_open = threading.Event()
        self._over = threading.Event()
        self._found: LoadResult | None = None
        self._enough = threading.Event()
        self._started = 0
        self._last_needed: int | None = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Returns when all streams are open."""
        self._thread.start()
        assert self._all_open.wait(WITHIN_S)

    def end(self) -> LoadResult:
        """Every stream that was open when this is called has ended in the result, or hangs."""
        self._last_needed = self._started + 2 * self._streams  # what was told may be old
        assert self._enough.wait(WITHIN_S)
        self._over.set()
        self._thread.join()
        assert self._found is not None
        return self._found

    def _progressed(self, progress: LoadProgress) -> None:
        self._started = progress.started
        if progress.in_flight >= self._streams:
            self._all_open.set()
        if self._last_needed is not None and progress.ok + progress.failed >= self._last_needed:
            self._enough.set()

    def _run(self) -> None:
        generator = OpenAiHttp()
        probe = generator.probe(self._target, self._plan)
        self._found = generator.run(
            self._target,
            self._plan,
            probe=probe,
            on_progress=self._progressed,
            stop=self._over.is_set,
        )


def _sent_s(sample: RequestSample) -> float:
    return float("inf") if sample.sent_s is None else sample.sent_s


def _ttft_ms(samples: list[RequestSample]) -> tuple[float, ...]:
    return tuple(1000 * (one.chunk_s[0] - _sent_s(one)) for one in samples if one.chunk_s)
