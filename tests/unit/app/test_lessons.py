"""What a store teaches: finished, whole trials of these accelerators, and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.lessons import failures_here, lessons_here, measured_of, shape_of_model
from paceline.records.client import ClientState, ClientVerdict
from paceline.records.hardware import Accelerator, AcceleratorKind, HostFingerprint
from paceline.records.launch import Cause
from paceline.records.run import RunRecord, RunState
from paceline.records.trial import Cut, TrialRecord
from paceline.records.version import FailureFact
from paceline.testing.builders import (
    a_cpu,
    a_host,
    a_metric,
    a_model,
    a_request,
    a_trial,
    a_variant,
)

FIGURES = {
    "output_tokens_per_s": a_metric(100.0, "tokens/s"),
    "ttft_mean_ms": a_metric(50.0),
    "tpot_mean_ms": a_metric(10.0),
}


HERE = a_host()
CARD = Accelerator(name="H100-SXM-80GB", kind=AcceleratorKind.GPU, memory_gib=80.0, available=1)


def taught(*trials: TrialRecord, host: HostFingerprint | None = HERE) -> int:
    store = MemoryStore()
    run = RunRecord(
        run_id="20261121-000000-0001",
        request=a_request(),
        model=a_model(),
        software_version="0",
        created_at_utc="2026-11-21T00:00:00+00:00",
        host=host,
    )
    store.create_run(run)
    with store.write_run(run.run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        for trial in trials:
            writer.save_trial(trial)
    return len(lessons_here(store, [a_cpu(), CARD], HERE))


def test_a_finished_trial_is_a_lesson() -> None:
    assert taught(a_trial(a_variant("openvino", "int8"), FIGURES)) == 1


@pytest.mark.parametrize(
    "trial",
    [
        a_trial(a_variant("openvino"), {}, cause=Cause.OUT_OF_MEMORY),
        replace(a_trial(a_variant("openvino"), FIGURES), cut=Cut(share=0.2, because="behind")),
        replace(
            a_trial(a_variant("openvino"), FIGURES),
            client=ClientVerdict(verdict=ClientState.CLIENT_BOUND),
        ),
        a_trial(replace(a_variant("openvino"), accelerator="another"), FIGURES),
        replace(a_trial(a_variant("openvino"), FIGURES), foreign_cpu_share=0.4),
    ],
    ids=["died", "cut short", "client bound", "elsewhere", "busy machine"],
)
def test_other_trials_teach_nothing(trial: TrialRecord) -> None:
    assert taught(trial) == 0


@pytest.mark.parametrize(
    ("host", "lessons"),
    [
        (replace(HERE, kernel="6.9", governor="powersave", memory_gib=15.99), 1),
        (replace(HERE, cpu_model="Another CPU"), 0),
        (replace(HERE, usable_cores=64.0), 0),
        (replace(HERE, memory_gib=64.0), 0),
        (None, 0),
    ],
    ids=["same hardware", "other processor", "more cores", "more memory", "not noted"],
)
def test_a_processor_is_known_by_its_machine(host: HostFingerprint | None, lessons: int) -> None:
    assert taught(a_trial(a_variant("openvino"), FIGURES), host=host) == lessons


def test_a_card_is_known_by_its_name() -> None:
    trial = a_trial(replace(a_variant("vllm"), accelerator=CARD.name), FIGURES)
    assert taught(trial, host=replace(HERE, cpu_model="Another CPU")) == 1


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        ({}, True),
        ({"cause": Cause.BAD_FLAG}, True),
        ({"host": replace(HERE, cpu_model="Another CPU")}, False),
        ({"host": None}, False),
        ({"variant": replace(a_variant(), accelerator=CARD.name), "host": None}, True),
        ({"variant": replace(a_variant(), accelerator="another")}, False),
        ({"cause": Cause.OUT_OF_MEMORY}, False),
        ({"cause": Cause.MISSING_DEPENDENCY}, False),
    ],
    ids=[
        *("unsupported", "bad flag", "other processor", "machine not noted", "a card", "elsewhere"),
        *("shorter requests may fit", "may be installed since"),
    ],
)
def test_a_failure_is_known_where_neither_load_nor_machine_could_change_it(
    fact: dict[str, Any], known: bool
) -> None:
    store = MemoryStore()
    died = FailureFact(
        model_sha256="m",
        engine_version="1",
        variant=a_variant(),
        cause=Cause.UNSUPPORTED,
        detail="no kernel",
        run_id="r1",
        at_utc="",
        host=HERE,
    )
    store.add_failure(replace(died, **fact))
    assert bool(failures_here(store, "m", [a_cpu(), CARD], HERE)) == known


def test_figures_are_in_the_predictors_order() -> None:
    assert measured_of(a_trial(a_variant(), FIGURES)) == (100.0, 10.0, 50.0)
    assert measured_of(a_trial(a_variant(), {})) == (None, None, None)


def test_without_a_readable_config_the_counts_stand_in(tmp_path: Path) -> None:
    shape = shape_of_model(a_model(5_000_000, folder=str(tmp_path)))
    assert (shape.parameters, shape.layers) == (5_000_000, 6)
    (tmp_path / "config.json").write_text('{"model_type": "no-such"}')
    assert shape_of_model(a_model(5_000_000, folder=str(tmp_path))) == shape
