"""One trial against stand-ins for the engine, its process and the load; here: guessing ahead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from paceline.clock import ManualClock
from paceline.ports.archive import Archive
from paceline.ports.engine import Engine, Say
from paceline.ports.executor import Executor
from paceline.ports.host import Host
from paceline.ports.quality import Evaluator, Grader
from paceline.ports.telemetry import Telemetry, TelemetryReader
from paceline.records.launch import Artefact, Cause, Environment, LaunchSpec, ProcessEnd
from paceline.records.load import Target
from paceline.records.metric_names import SPECULATION_ACCEPTANCE, SPECULATION_MEAN_LENGTH
from paceline.records.model import Model
from paceline.records.speculation import SpeculationCounts
from paceline.records.telemetry import Snapshot, TelemetryGap
from paceline.records.trial import BlobRef, TrialRecord, TrialState
from paceline.records.variant import Variant
from paceline.testing.builders import a_cpu, a_model, a_variant, a_workload
from paceline.testing.simulated_load import SimulatedLoad
from paceline.trial.arrivals import plan_load
from paceline.trial.machine import TrialEvent
from paceline.trial.run import Rig, TrialOrder, TrialRun
from paceline.trial.workload import load_shape

ENVIRONMENT = Environment(name="toy", python="/p", bin_dir="/b", lock=(), lock_sha256="")
DRAFT = replace(a_model(), name="tiny", folder="/models/tiny")
PLAIN = a_variant("toy", "gguf-bf16")


@dataclass
class Toy:
    """An engine that takes drafts; `prepared` is what it made, by model and format."""

    name: str = "toy"
    version: str = "1"
    prepared: list[tuple[str, str]] = field(default_factory=list)

    def formats(self) -> tuple[str, ...]:
        return ("toy-16", "gguf-bf16")

    def prepare(
        self, model: Model, format_: str, *, environment: Environment, cache: Path, say: Say
    ) -> Artefact:
        del environment, cache, say
        self.prepared.append((model.name, format_))
        return Artefact(folder=f"/made/{model.name}", format=format_, sha256="", size_bytes=1)

    def launch(self, variant: Variant, artefact: Artefact, *, port: int, **_: object) -> LaunchSpec:
        return LaunchSpec(
            argv=("serve", artefact.folder, variant.speculation or "plainly"),
            env={},
            port=port,
            ready_path="/",
            model_name="toy",
            grace_s=1.0,
            ready_timeout_s=1.0,
        )

    def with_draft(self, launch: LaunchSpec, draft: Artefact) -> LaunchSpec:
        return replace(launch, argv=(*launch.argv, "--draft", draft.folder))


class Running:
    """A server that is ready at once and never dies; also the executor that started it."""

    base_url = "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.spec: LaunchSpec | None = None

    @contextmanager
    def start(self, build: Callable[[int], LaunchSpec], *, log_path: Path) -> Iterator["Running"]:
        del log_path
        self.spec = build(1)
        yield self

    def wait_ready(self, stop: Callable[[], bool] | None = None) -> ProcessEnd | None:
        del stop
        return None

    def poll(self) -> ProcessEnd | None:
        return None

    def ready_after_s(self) -> float:
        return 1.0

    def peak_memory_gib(self) -> float:
        return 0.5


@dataclass
class Counters:
    """A page that counts 10 drafts of 8 between two readings, a quarter of them right."""

    name: str = "toy"
    subject: str = "toy"
    readings: int = 0

    def open(self, target: Target) -> TelemetryReader | TelemetryGap:
        del target
        return self

    def read(self) -> Snapshot:
        self.readings += 1
        counters = {
            "speculation_drafts": 10.0,
            "speculation_tokens_drafted": 80.0,
            "speculation_tokens_accepted": 20.0,
            "generation_tokens": 100.0,
        }
        grown = {name: value * self.readings for name, value in counters.items()}
        return Snapshot(at_s=0.0, gauges={}, counters=grown, histograms={})

    def close(self) -> None:
        return


class Notebook:
    """Keeps nothing: an archive, a journal and a host for one trial."""

    def keep(self, data: bytes, *, suffix: str) -> BlobRef:
        return BlobRef(path=f"x{suffix}", sha256="", size_bytes=len(data))

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None:
        del trial_id, was, event, cause

    def watch(self) -> nullcontext["Notebook"]:
        return nullcontext(self)

    def foreign_cpu_share(self) -> float:
        return 0.0


def measured(variant: Variant, *, engine: Toy, counters: Telemetry) -> TrialRecord:
    workload = replace(a_workload(concurrency=2), max_requests=40)
    order = TrialOrder(
        trial_id="t",
        variant=variant,
        repeat=0,
        model=a_model(),
        accelerator=a_cpu(),
        plan=plan_load(load_shape(workload, seed=0)),
        suite=None,
        garbage_rule=None,
        quality_concurrency=1,
        constraints=(),
        price_usd_per_hour=None,
        seed=0,
        cache=Path("/nowhere"),
        log_path=Path("/nowhere"),
        draft=DRAFT,
    )
    notebook = Notebook()
    rig = Rig(
        engine=cast("Engine", engine),
        environment=ENVIRONMENT,
        executor=cast("Executor", Running()),
        load=SimulatedLoad(),
        evaluator=cast("Evaluator", None),
        grader=cast("Grader", None),
        host=cast("Host", notebook),
        archive=cast("Archive", notebook),
        clock=ManualClock(),
        telemetry=(counters,),
    )
    return TrialRun(order, rig, notebook, say=lambda _line: None, cancelled=lambda: False).run()


def test_a_plain_variant_has_no_draft_and_is_not_counted() -> None:
    engine, counters = Toy(), Counters()
    trial = measured(PLAIN, engine=engine, counters=counters)
    assert trial.cause is Cause.FINISHED
    assert engine.prepared == [("small", "gguf-bf16")]
    assert counters.readings == 0
    assert trial.speculation is None
    assert trial.provenance.draft is None


def test_guesses_are_counted_over_the_load() -> None:
    counters = Counters()
    trial = measured(replace(PLAIN, speculation="ngram"), engine=Toy(), counters=counters)
    assert trial.speculation == SpeculationCounts(drafts=10, drafted=80, accepted=20, generated=100)
    assert trial.metrics[SPECULATION_ACCEPTANCE].value == 0.25
    assert trial.metrics[SPECULATION_MEAN_LENGTH].value == 3.0
    assert counters.readings == 2


def test_a_drafted_variant_gets_the_small_model_unquantized() -> None:
    engine = Toy()
    variant = replace(PLAIN, speculation="draft tiny-123456")
    trial = measured(variant, engine=engine, counters=Counters())
    assert engine.prepared == [("small", "gguf-bf16"), ("tiny", "toy-16")]
    assert trial.provenance.argv[-2:] == ("--draft", "/made/tiny")
    assert trial.provenance.draft is not None
    assert trial.provenance.draft.folder == "/made/tiny"


def test_guessing_with_the_prompt_needs_no_small_model() -> None:
    engine = Toy()
    trial = measured(replace(PLAIN, speculation="ngram"), engine=engine, counters=Counters())
    assert engine.prepared == [("small", "gguf-bf16")]
    assert "--draft" not in trial.provenance.argv
