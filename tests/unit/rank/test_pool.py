"""Several launches of one variant."""

from dataclasses import replace

import pytest

from paceline.rank.pool import CONTENDED_ABOVE, pool
from paceline.records.client import ClientState, ClientVerdict
from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.telemetry import DeviceProcess
from paceline.records.trial import Cut, TrialRecord
from paceline.testing.builders import a_metric, a_trial, a_variant

VARIANT = a_variant()
TOKENS = "output_tokens_per_s"


def trial(tokens_per_s: float, repeat: int = 0, *, spread: float = 0.01) -> TrialRecord:
    metrics = {
        TOKENS: a_metric(tokens_per_s, "tokens/s", spread=spread),
        "peak_memory_gib": Metric(value=1.0 + repeat, unit="GiB", ci95=None, n=1),
        "cold_start_s": Metric(value=4.0 + repeat, unit="s", ci95=None, n=1),
    }
    return a_trial(VARIANT, metrics, repeat=repeat)


def test_one_trial_is_taken_as_it_is() -> None:
    pooled = pool(VARIANT, [trial(100.0)])
    assert pooled is not None
    assert pooled.metrics == trial(100.0).metrics
    assert (pooled.trials, pooled.unsound, pooled.set_aside) == (1, None, ())


def test_the_interval_of_several_reaches_over_all_of_them() -> None:
    pooled = pool(VARIANT, [trial(100.0), trial(120.0, 1)])
    assert pooled is not None
    assert pooled.metrics[TOKENS] == Metric(
        value=110.0, unit="tokens/s", ci95=Interval(lo=99.0, hi=121.2), n=200
    )


def test_a_peak_is_the_largest_and_a_start_the_mean_of_the_trials() -> None:
    pooled = pool(VARIANT, [trial(100.0), trial(100.0, 1)])
    assert pooled is not None
    assert pooled.metrics["peak_memory_gib"].value == 2.0
    assert pooled.metrics["cold_start_s"].value == 4.5
    assert pooled.metrics["cold_start_s"].ci95 == Interval(lo=4.0, hi=5.0)


def test_one_trial_without_an_interval_leaves_none() -> None:
    bare = replace(trial(100.0, 1), metrics={TOKENS: replace(a_metric(100.0), ci95=None)})
    pooled = pool(VARIANT, [trial(100.0), bare])
    assert pooled is not None
    assert pooled.metrics[TOKENS].ci95 is None


def test_other_variants_and_trials_that_did_not_finish_do_not_count() -> None:
    other = replace(trial(999.0), variant=a_variant("other"))
    crashed = replace(trial(1.0, 1), cause=Cause.CRASHED)
    pooled = pool(VARIANT, [crashed, other, trial(100.0)])
    assert pooled is not None
    assert (pooled.metrics[TOKENS].value, pooled.trials) == (100.0, 1)
    assert pool(VARIANT, [crashed, other]) is None


STRANGER = DeviceProcess(device="gpu0", pid=7, ours=False, memory_gib=3.0)
BOUND = ClientVerdict(verdict=ClientState.CLIENT_BOUND, reasons=("loop lag 40 ms > 25 ms",))


@pytest.mark.parametrize(
    ("doubtful", "word"),
    [
        (replace(trial(50.0), client=BOUND), "loop lag 40 ms > 25 ms"),
        (replace(trial(50.0), steady=False), "not steady"),
        (replace(trial(50.0), foreign_cpu_share=0.23), "23% of the cores, more than 10%"),
        (replace(trial(50.0), strangers=(STRANGER,)), "process 7 computed on gpu0 with 3.0 GiB"),
    ],
    ids=["client-bound", "drifting", "contended", "shared"],
)
def test_a_doubtful_trial_is_set_aside_or_leaves_the_load_undecided(
    doubtful: TrialRecord, word: str
) -> None:
    alone = pool(VARIANT, [doubtful])
    assert alone is not None and alone.unsound is not None
    assert word in alone.unsound
    assert alone.doubt(TOKENS) == alone.unsound
    assert alone.doubt("peak_memory_gib") is None
    beside = pool(VARIANT, [doubtful, trial(100.0, 1)])
    assert beside is not None
    assert beside.unsound is None
    assert beside.metrics[TOKENS].value == 100.0
    assert word in beside.set_aside[0]
    assert beside.metrics["peak_memory_gib"].value == 2.0


def test_what_the_client_added_is_known_when_it_alone_is_in_doubt() -> None:
    slow = replace(BOUND, added_ms=40.0)
    alone = pool(VARIANT, [replace(trial(50.0), client=slow), replace(trial(51.0, 1), client=slow)])
    assert alone is not None and alone.client_added_ms == 40.0
    contended = replace(trial(50.0), client=slow, foreign_cpu_share=0.5)
    both = pool(VARIANT, [contended])
    assert both is not None and both.client_added_ms is None
    assert both.unsound is not None
    assert both.unsound.index("contended") < both.unsound.index("client-bound"), "cause first"
    unknown = pool(VARIANT, [replace(trial(50.0), client=BOUND)])
    assert unknown is not None and unknown.client_added_ms is None


def test_a_neighbour_within_the_limit_is_tolerated() -> None:
    pooled = pool(VARIANT, [replace(trial(50.0), foreign_cpu_share=CONTENDED_ABOVE)])
    assert pooled is not None and pooled.unsound is None


def test_a_trial_that_ended_early_is_left_out_once_a_whole_one_is_there() -> None:
    early = replace(trial(50.0), cut=Cut(share=0.2, because="too slow"))
    alone = pool(VARIANT, [early])
    assert alone is not None
    assert alone.cut == "ended after 20% of its window: too slow"
    both = pool(VARIANT, [early, trial(100.0, 1)])
    assert both is not None
    assert (both.cut, both.trials, both.metrics[TOKENS].value) == (None, 1, 100.0)
