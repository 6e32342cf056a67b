"""Counters before and after a load become acceptance and accepted length."""

from dataclasses import dataclass, field

import pytest

from paceline.ports.telemetry import TelemetryReader
from paceline.records.load import Target
from paceline.records.metric_names import (
    SPECULATION_ACCEPTANCE,
    SPECULATION_DRAFT_RATIO,
    SPECULATION_MEAN_LENGTH,
)
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import Snapshot, TelemetryGap
from paceline.trial.speculation import counts_between, read_counters, speculation_metrics

TARGET = Target(base_url="http://127.0.0.1:1", model="m")
GAP = TelemetryGap(source="toy", because="nothing there")


def page(drafts: float, drafted: float, accepted: float, generated: float) -> Snapshot:
    counters = {
        "speculation_drafts": drafts,
        "speculation_tokens_drafted": drafted,
        "speculation_tokens_accepted": accepted,
        "generation_tokens": generated,
    }
    return Snapshot(at_s=0.0, gauges={}, counters=counters, histograms={})


@dataclass
class Source:
    """Gives these readings, one after the other; a source that says nothing gives none."""

    readings: list[Snapshot | TelemetryGap]
    name: str = "toy"
    subject: str = "toy"
    closed: bool = field(default=False)

    def open(self, target: Target) -> TelemetryReader | TelemetryGap:
        assert target == TARGET
        return self if self.readings else GAP

    def read(self) -> Snapshot | TelemetryGap:
        return self.readings.pop(0)

    def close(self) -> None:
        self.closed = True


def test_reads_the_first_source_that_knows_the_engine() -> None:
    machine = Snapshot(at_s=0.0, gauges={}, counters={"cpu_s": 1.0}, histograms={})
    engine, later = Source([page(10, 80, 20, 100)]), Source([page(0, 0, 0, 0)])
    deaf = Source([machine])
    found = read_counters([Source([]), Source([GAP]), deaf, engine, later], TARGET)
    assert found == page(10, 80, 20, 100)
    assert deaf.closed
    assert engine.closed
    assert later.readings


@pytest.mark.parametrize("readings", [[], [GAP]])
def test_what_cannot_be_read_is_unknown(readings: list[Snapshot | TelemetryGap]) -> None:
    assert read_counters([Source(readings)], TARGET) is None


def test_counts_what_grew() -> None:
    found = counts_between(page(10, 80, 20, 100), page(30, 240, 80, 300))
    assert found == SpeculationCounts(drafts=20, drafted=160, accepted=60, generated=200)


def test_counters_that_appear_with_the_first_guess_began_at_nothing() -> None:
    before = Snapshot(at_s=0.0, gauges={}, counters={"generation_tokens": 100}, histograms={})
    found = counts_between(before, page(2, 16, 4, 110))
    assert found == SpeculationCounts(drafts=2, drafted=16, accepted=4, generated=10)


def test_an_engine_that_does_not_count_guesses_is_unknown() -> None:
    plain = Snapshot(at_s=0.0, gauges={}, counters={"generation_tokens": 100}, histograms={})
    assert counts_between(plain, plain) is None


def test_a_server_that_started_anew_is_unknown() -> None:
    assert counts_between(page(10, 80, 20, 100), page(1, 8, 2, 10)) is None


def test_acceptance_length_and_share() -> None:
    found = speculation_metrics(
        SpeculationCounts(drafts=100, drafted=800, accepted=200, generated=1000)
    )
    assert found[SPECULATION_ACCEPTANCE].value == pytest.approx(0.25)
    assert found[SPECULATION_ACCEPTANCE].n == 800
    assert found[SPECULATION_MEAN_LENGTH].value == pytest.approx(3.0)
    assert found[SPECULATION_MEAN_LENGTH].unit == "tokens"
    assert found[SPECULATION_DRAFT_RATIO].value == pytest.approx(0.8)


def test_without_guesses_there_is_a_length_of_one_and_no_rate() -> None:
    found = speculation_metrics(SpeculationCounts(drafts=0, drafted=0, accepted=0, generated=10))
    assert found[SPECULATION_MEAN_LENGTH].value == 1.0
    assert SPECULATION_ACCEPTANCE not in found
    assert speculation_metrics(None) == {}
