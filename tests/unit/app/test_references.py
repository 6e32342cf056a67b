"""What each trial's distributions are compared with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.adapters.engines.fake import Fake
from paceline.adapters.engines.llamacpp import LlamaCpp
from paceline.adapters.engines.openvino import OpenVino
from paceline.adapters.engines.transformers import Transformers
from paceline.app.exams import Exams
from paceline.app.references import References, bits_of, unquantized
from paceline.ports.engine import Engine
from paceline.records.fidelity import Fidelity, FidelityReading, Reading, Readings, pack_readings
from paceline.records.launch import Cause
from paceline.records.quality import Suite
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.testing.builders import a_trial, a_variant
from paceline.trial.closeness import ReadingOrder

BASELINE = a_variant("transformers", "bf16")
NOTHING_ASKED = Suite(name="s", version="1", sha256="0", items=())
FAR = Fidelity(
    reading=Reading.FORCED,
    positions=1,
    mean_kl_nats=0.1,
    mean_kl_ci95=None,
    top1_agreement=1.0,
    top1_ci95=None,
    perplexity_ratio=1.0,
    coverage=1.0,
)


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


def read(
    variant: Variant, archive: FolderArchive, way: Reading, *, cause: Cause = Cause.FINISHED
) -> TrialRecord:
    """A trial that kept its readings."""
    readings = Readings(first=FidelityReading(reading=way, texts=()))
    kept = archive.keep(pack_readings(readings), suffix=".readings")
    return replace(a_trial(variant, cause=cause), readings=kept, fidelity=FAR)


def order_for(
    variant: Variant, engine: Engine, trials: Sequence[TrialRecord], archive: FolderArchive
) -> ReadingOrder | str | None:
    exams = Exams(suite=NOTHING_ASKED, own=None)
    return References(exams, lambda: trials, BASELINE, archive).order_for(variant, engine)


def test_an_engine_without_log_probabilities_reads_nothing(archive: FolderArchive) -> None:
    assert order_for(BASELINE, Transformers(), (), archive) == (
        "transformers gives no log probabilities"
    )


def test_what_is_unquantized_becomes_a_reference_and_what_is_not_waits_for_one(
    archive: FolderArchive,
) -> None:
    first = order_for(a_variant("openvino", "fp16"), OpenVino(), (), archive)
    assert isinstance(first, ReadingOrder)
    assert (first.reference, first.way, first.bits) == (None, Reading.FORCED, 16.0)
    too_soon = order_for(a_variant("openvino", "int8"), OpenVino(), (), archive)
    assert too_soon == "nothing unquantized was read before it"


def test_the_own_engines_reference_goes_before_the_baseline(archive: FolderArchive) -> None:
    trials = [
        read(BASELINE, archive, Reading.FORCED),
        read(a_variant("openvino", "int4"), archive, Reading.FORCED),
        read(a_variant("openvino", "fp16"), archive, Reading.FORCED),
    ]
    found = order_for(a_variant("openvino", "int8"), OpenVino(), trials, archive)
    assert isinstance(found, ReadingOrder)
    assert found.reference is not None
    assert found.reference.variant_id == a_variant("openvino", "fp16").id
    elsewhere = order_for(a_variant("fake", "int8"), Fake(), trials, archive)
    assert isinstance(elsewhere, ReadingOrder)
    assert elsewhere.reference is not None
    assert elsewhere.reference.variant_id == BASELINE.id


def test_a_reference_that_was_read_in_another_way_is_none(archive: FolderArchive) -> None:
    trials = [read(BASELINE, archive, Reading.FORCED)]
    found = order_for(a_variant("llamacpp", "bf16"), LlamaCpp(), trials, archive)
    assert isinstance(found, ReadingOrder)
    assert (found.reference, found.way) == (None, Reading.GREEDY)


def test_weights_that_were_sound_before_are_not_read_before_the_speed(
    archive: FolderArchive,
) -> None:
    int8, other = a_variant("openvino", "int8"), a_variant("openvino", "int8", knobs=(("a", 1),))
    trials = [read(a_variant("openvino", "fp16"), archive, Reading.FORCED)]
    for more, first in (
        ([], True),
        ([read(int8, archive, Reading.FORCED, cause=Cause.GARBAGE)], True),
        ([read(int8, archive, Reading.FORCED)], False),
    ):
        found = order_for(other, OpenVino(), [*trials, *more], archive)
        assert isinstance(found, ReadingOrder)
        assert found.before_speed is first


def test_without_a_suite_nothing_is_read(archive: FolderArchive) -> None:
    references = References(Exams(suite=None, own=None), lambda: (), BASELINE, archive)
    assert references.order_for(BASELINE, OpenVino()) is None


def test_unquantized_is_what_has_sixteen_bits() -> None:
    assert unquantized(a_variant("vllm", "bf16"))
    assert not unquantized(a_variant("vllm", "fp8"))
    assert bits_of(a_variant("vllm", "of-tomorrow")) is None
