"""Whole sweeps measured here, variant by variant, for the replay.

A line is appended as each launch ends, so a record that is stopped goes on where it was. The first
line says what measured it. Model by model, launches and repeats are in one seeded order: whatever
else the machine does meanwhile favours no variant, and a repeat lies far from its first.
"""

import json
import math
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, Final

from paceline import __version__
from paceline.app.artefacts import held
from paceline.app.checkpoints import give_checkpoint, needs_quantizer
from paceline.app.planning import plan_request
from paceline.app.registry import load_engine
from paceline.app.wiring import Workshop
from paceline.plan.search import RULES
from paceline.ports.engine import Say
from paceline.rank.standing import outlooks
from paceline.records.launch import Artefact, Cause, Environment
from paceline.records.metric_names import OUTPUT_TOKENS_PER_S
from paceline.records.quality import Suite
from paceline.records.race import Outlook
from paceline.records.request import Request
from paceline.records.trial import TrialRecord, TrialState
from paceline.records.variant import RejectionReason, Variant
from paceline.spec.read import Asked, read_request
from paceline.trial.arrivals import plan_load
from paceline.trial.machine import TrialEvent
from paceline.trial.order import FirstRung, TrialOrder
from paceline.trial.run import Rig, TrialRun
from paceline.trial.scoring import SuiteGrader
from paceline.trial.workload import load_shape
from paceline.units import Seconds
from search_replay import Costs, Sweep

MODELS: Final = ("reference", "medium", "tiny")
"""The trained model and two made shapes (`paceline models synth`)."""
WORKLOAD: Final = "reference,concurrency=1,input=128,prefix=64,output=32,duration=12s"
"""One request after the other. Two or more in flight, of one length, drift in and out of step, and
the rate drifts with them for many seconds: 8 % between windows of 5 s where one alone has 1.6 %."""
REPEATED: Final = 8
"""Every so many variants one is launched a second time: the noise between launches."""
CLOSE: Final = 0.95
"""From this share of the best on, a variant is launched `CLOSE_LAUNCHES` times: the best of one
launch each is the luckiest."""
CLOSE_LAUNCHES: Final = 3
BOTH_KNOBS: Final = frozenset({"openvino"})
"""Engines of whose variants those with two changed knobs are measured as well; the plan has one."""
ENGINES: Final = ("transformers", "openvino", "llamacpp", "vllm")
"""Whichever of them is installed; vLLM takes a minute to start, most of a sweep's time."""


def record(
    folder: Path, out: Path, *, models: Sequence[str] = MODELS, seconds: float = math.inf
) -> None:
    """Measure what `out` does not hold yet of `models`; `folder` keeps the made ones.

    Stops after `seconds`, when the launch that is then running has ended.
    """
    shop, ends_at = Workshop(), time.monotonic() + seconds
    out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists():
        _append(out, {"about": _about(shop)})
    done = {(row["model"], row["key"]) for row in _rows(out)}
    for name in models:
        bench = _bench(name, folder, shop)
        for variant, repeat in bench.launches(out):
            key = f"{variant.id}.{repeat}"
            if (name, key) in done:
                continue
            if time.monotonic() > ends_at:
                print("stopped; to go on: the same command", file=sys.stderr)
                return
            row = {"model": name, "key": key, "at": _now(), "load": round(os.getloadavg()[0], 2),
                   **bench.measure(variant, repeat)}  # fmt: skip
            _append(out, row)
            done.add((name, key))
            print(f"{name} {variant.label} {repeat}: {row['cause']}, {row['wall_s']:.1f} s,"
                  f" {row.get('whole')}", file=sys.stderr)  # fmt: skip


def _bench(name: str, folder: Path, shop: Workshop) -> "_Bench":
    path = name if name == "reference" else str(_made(name, folder))
    request = read_request(Asked(model=path, priority="throughput", workload=WORKLOAD))
    return _Bench(name, request, shop, folder)


def _about(shop: Workshop) -> dict[str, object]:
    """The machine, the software and the load: whose figures these are."""
    return {
        "paceline": __version__,
        "engines": {name: load_engine(name).version for name in ENGINES},
        "workload": WORKLOAD,
        "host": asdict(shop.host.fingerprint()),
        "since": _now(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(path: Path, row: Mapping[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def recorded(path: Path) -> list[Sweep]:
    """The sweeps of a file that `record` wrote; variants that did not finish are left out."""
    rows = _rows(path)
    return [
        _sweep(name, [row for row in rows if row["model"] == name and row.get("whole")])
        for name in dict.fromkeys(row["model"] for row in rows)
    ]


class _Bench:
    """One model's launches, with a first rung that never ends them."""

    def __init__(self, name: str, request: Request, shop: Workshop, folder: Path) -> None:
        self._name = name
        self._request, self._shop, self._folder = request, shop, folder
        self._planned = plan_request(request, shop)
        self._rigs: dict[str, Rig] = {}
        self._without_effect = tuple(
            rejection.variant
            for rejection in self._planned.plan.rejected
            if rejection.reason is RejectionReason.NO_EFFECT
        )
        told = outlooks(request, self._planned.plan)
        self._outlooks = {outlook.variant_id: (outlook.score, outlook.sd) for outlook in told}

    def launches(self, out: Path) -> Iterator[tuple[Variant, int]]:
        """Every variant once and some of them twice, in a seeded order; then again those that came
        close to the best, by what `out` holds by then."""
        plan = self._planned.plan
        variants = [
            variant
            for variant in (*plan.variants, *self._without_effect)
            if variant.engine in ENGINES and variant.speculation is None
        ]
        variants += [v for v in _unions(variants) if v.engine in BOTH_KNOBS]
        wanted = [(v, 0) for v in variants] + [(v, 1) for v in variants[REPEATED - 1 :: REPEATED]]
        Random(0).shuffle(wanted)  # noqa: S311 - not a secret
        yield from wanted
        found = _by_variant([row for row in _rows(out) if row["model"] == self._name])
        rates = {variant: _mean_rate(launches) for variant, launches in found.items()}
        near = [v for v, rate in rates.items() if rate >= CLOSE * max(rates.values())]
        for repeat in range(1, CLOSE_LAUNCHES):
            yield from ((variant, repeat) for variant in near)

    def measure(self, variant: Variant, repeat: int) -> dict[str, object]:
        rungs: list[TrialRecord] = []
        trial = TrialRun(
            self._order(variant, repeat, rungs),
            self._rig(variant.engine),
            _NoJournal(),
            say=lambda _: None,
            cancelled=lambda: False,
        ).run()
        found: dict[str, object] = {
            "variant": {
                "accelerator": variant.accelerator, "count": variant.count,
                "format": variant.format, "engine": variant.engine,
                "knobs": variant.knobs, "speculation": variant.speculation,
            },
            "planned": variant not in self._without_effect,
            "outlook": self._outlooks.get(variant.id),
            "repeat": repeat,
            "cause": trial.cause.value,
            "wall_s": trial.wall_s - (trial.cold_start.weights_s or 0.0),
            "foreign_cpu_share": trial.foreign_cpu_share,
        }  # fmt: skip
        if trial.cause is Cause.FINISHED and rungs:
            made_s = trial.cold_start.weights_s or 0.0
            found |= {"rung_wall_s": rungs[0].wall_s - made_s, "rung": _rate(rungs[0]),
                      "whole": _rate(trial)}  # fmt: skip
        return found

    def _order(self, variant: Variant, repeat: int, rungs: list[TrialRecord]) -> TrialOrder:
        workload, seed = self._request.workload, self._request.seed + repeat
        short = replace(workload, duration_s=Seconds(workload.duration_s * RULES.rung))
        place = next(a for a in self._planned.accelerators if a.name == variant.accelerator)
        suite: Suite | None = None
        return TrialOrder(
            trial_id=f"{variant.id}.{repeat}",
            variant=variant,
            repeat=repeat,
            model=self._planned.model,
            accelerator=place,
            plan=plan_load(load_shape(workload, seed=seed)),
            suite=suite,
            garbage_rule=None,
            quality_concurrency=1,
            constraints=(),
            price_usd_per_hour=None,
            seed=seed,
            cache=self._shop.places.cache,
            log_path=self._folder / "logs" / f"{variant.id}.{repeat}.log",
            rung=FirstRung(
                plan=plan_load(load_shape(short, seed=seed)),
                share=RULES.rung,
                why_end=rungs.append,  # remembers, and answers None: goes on
            ),
        )

    def _made(self, order: TrialOrder, say: Say) -> Artefact:
        """What the engine loads, by whoever makes it; making it is no part of the figures."""
        rig, model, format_ = self._rig(order.variant.engine), order.model, order.variant.format
        if needs_quantizer(rig.engine, model, format_):
            return give_checkpoint(model, format_, self._shop, say=say)
        return rig.engine.prepare(
            model, format_, environment=rig.environment, cache=order.cache, say=say
        )

    def _rig(self, name: str) -> Rig:
        if name not in self._rigs:
            shop, engine = self._shop, load_engine(name)
            spec = engine.environment()
            environment = (
                Environment(name="paceline", python=sys.executable, lock=(), lock_sha256="",
                            bin_dir=str(Path(sys.executable).parent))
                if spec is None
                else shop.environments.install(spec, say=lambda _: None)
            )  # fmt: skip
            self._rigs[name] = Rig(
                engine=engine, environment=environment, executor=shop.executor, load=shop.load,
                evaluator=shop.evaluator, grader=SuiteGrader(), host=shop.host,
                archive=shop.archive, clock=shop.clock,
                hold=lambda order, say: held(lambda: self._made(order, say), order.cache),
            )  # fmt: skip
        return self._rigs[name]


def _unions(variants: Sequence[Variant]) -> Iterator[Variant]:
    """Those with the changes of two variants that differ in one knob each."""
    for one, other in combinations([v for v in variants if v.knobs], 2):
        (name, _), (name2, _) = one.knobs[0], other.knobs[0]
        if replace(one, knobs=()) == replace(other, knobs=()) and name != name2:
            yield replace(one, knobs=tuple(sorted((*one.knobs, *other.knobs))))


class _NoJournal:
    """A record is no run: nothing of it is resumed step by step."""

    def moved(
        self, trial_id: str, *, was: TrialState, event: TrialEvent, cause: Cause | None
    ) -> None:
        del trial_id, was, event, cause


def _made(shape: str, folder: Path) -> Path:
    path = folder / shape
    if not (path / "config.json").exists():
        print(f"make it first: paceline models synth {shape} {path}", file=sys.stderr)
        sys.exit(2)
    return path


def _rate(trial: TrialRecord) -> dict[str, float | None]:
    found = trial.metrics[OUTPUT_TOKENS_PER_S]
    return {"value": found.value, "lo": found.ci95.lo if found.ci95 else None,
            "hi": found.ci95.hi if found.ci95 else None, "n": found.n}  # fmt: skip


def _rows(path: Path) -> list[dict]:  # type: ignore[type-arg]
    """The launches of a file, without its first line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][1:]


def _variant(fields: Mapping[str, object]) -> Variant:
    knobs = tuple((name, value) for name, value in fields["knobs"])  # type: ignore[attr-defined]
    return Variant(**{**fields, "knobs": knobs})  # type: ignore[arg-type]


def _by_variant(rows: list[dict]) -> dict[Variant, list[dict]]:  # type: ignore[type-arg]
    """The launches with a figure."""
    found: dict[Variant, list[dict]] = {}  # type: ignore[type-arg]
    for row in rows:
        if row.get("whole"):
            found.setdefault(_variant(row["variant"]), []).append(row)
    return found


def _mean_rate(rows: list[dict]) -> float:  # type: ignore[type-arg]
    return math.exp(sum(math.log(row["whole"]["value"]) for row in rows) / len(rows))


def _sweep(name: str, rows: list[dict]) -> Sweep:  # type: ignore[type-arg]
    """The mean of a variant's launches is its rate; their spread is the noise between launches."""
    by_variant = _by_variant(rows)
    rates = {variant: _mean_rate(launches) for variant, launches in by_variant.items()}
    wholes = [r["whole"] for r in rows if r["whole"]["lo"] is not None]
    widths = [(w["hi"] - w["lo"]) / (2 * 1.96 * w["value"]) for w in wholes]
    plain = [v for v in rates if v.format in ("bf16", "fp16", "f16") and not v.knobs]
    slow_first = sorted(plain or rates, key=lambda v: (v.engine != "transformers", v.id))
    return Sweep(
        name=name,
        family=name,
        baseline=slow_first[0],
        rates=rates,
        knobs_in_plan=1,
        costs={v: _costs(rs) for v, rs in by_variant.items()},
        outlooks=tuple(
            Outlook(variant_id=v.id, score=rs[0]["outlook"][0], sd=rs[0]["outlook"][1])
            for v, rs in by_variant.items()
            if rs[0].get("outlook")
        ),
        foreign_cpu_share=sum(r["foreign_cpu_share"] or 0.0 for r in rows) / len(rows),
        run_sds=_run_sds(by_variant),
        window_sd=sorted(widths)[len(widths) // 2] if widths else 0.02,
        rung_errors={
            engine: [_rung_error(row) for row in rows if row["variant"]["engine"] == engine]
            for engine in {variant.engine for variant in rates}
        },
        unplanned=frozenset(v for v, rs in by_variant.items() if not rs[0]["planned"]),
    )


def _run_sds(by_variant: dict[Variant, list[dict]]) -> dict[str, float]:  # type: ignore[type-arg]
    """By engine, of the variants that were launched more than once; of all where it has none."""
    squares: dict[str, float] = defaultdict(float)
    freedom: Counter[str] = Counter()
    for variant, rows in by_variant.items():
        mean = _mean_rate(rows)
        for name in (variant.engine, ""):
            squares[name] += sum(math.log(r["whole"]["value"] / mean) ** 2 for r in rows)
            freedom[name] += len(rows) - 1
    names = {v.engine: v.engine if freedom[v.engine] else "" for v in by_variant}
    return {
        engine: math.sqrt(squares[name] / freedom[name])
        for engine, name in names.items()
        if freedom[name]
    }


def _rung_error(row: Mapping[str, Any]) -> float:
    """A rung without a token counts as a hundredth of the rate."""
    return math.log(max(row["rung"]["value"] / row["whole"]["value"], 0.01))


def _costs(rows: list[dict]) -> Costs:  # type: ignore[type-arg]
    """The whole window with its drain; the start is the rest, without the rung's share."""
    window_s = sum(r["wall_s"] - r["rung_wall_s"] for r in rows) / len(rows)
    start_s = sum(r["rung_wall_s"] for r in rows) / len(rows) - window_s * RULES.rung
    return Costs(start_s=max(start_s, 0.1), window_s=window_s)
