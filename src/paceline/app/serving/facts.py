"""What is known of a version from its measurement: what an autoscaler and a probe go by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from paceline.app.images import painted_by, picture_probe
from paceline.app.registry import load_engine
from paceline.app.serving.prices import UnitPrices
from paceline.app.wiring import Workshop
from paceline.deploy.canary import LatencyLimit
from paceline.deploy.coldstart import expected_s, total_s
from paceline.errors import Code, SetupError, SpecError
from paceline.ports.embeddings import CanEmbed
from paceline.ports.engine import Engine
from paceline.records.image import MOST_IMAGES
from paceline.records.load import Route
from paceline.records.measurement import Metric
from paceline.records.metric_names import (
    COLD_START_S,
    COST_USD_PER_IMAGE,
    COST_USD_PER_MTOK,
    REQUESTS_PER_S,
    latency_name,
)
from paceline.records.model import Model
from paceline.records.quality import Suite
from paceline.records.request import Comparison, Request, Workload
from paceline.records.run import RunRecord
from paceline.records.scaling import (
    IMAGE_COLD_START_S,
    LANGUAGE_COLD_START_S,
    Replica,
    ServicePoint,
)
from paceline.records.trial import TrialRecord
from paceline.records.version import Version
from paceline.stats import quantile
from paceline.units import MS_PER_S

ROUTES: Final = (Route.CHAT.value, Route.COMPLETIONS.value)
IMAGE_ROUTES: Final = (Route.IMAGES.value,)
PROBE_ITEMS: Final = 8
LEAST_PATIENCE_S: Final = 120.0
PATIENCE: Final = 4.0
"""Four times as large as the measured ones: 2048 px instead of 1024 px."""
STARTS_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """A version as its run measured it.

    It is warmed up by the first of `routes`. `probe` holds items that it answered rightly then,
    `None` when quality was not measured; of pictures, `painted` has the path of its own for each.
    `usd_per_mtok` is what a million output tokens cost, `usd_per_image` a picture,
    `usd_per_mtok_embedded` a million tokens of texts to embed; 0 when no price was known.
    """

    version: Version
    run: RunRecord
    replica: Replica
    limits: tuple[LatencyLimit, ...]
    probe: Suite | None
    usd_per_mtok: float
    routes: tuple[str, ...] = ROUTES
    usd_per_image: float = 0.0
    usd_per_mtok_embedded: float = 0.0
    painted: Mapping[str, str] = field(default_factory=dict)
    first_byte_timeout_s: float | None = None
    """How long the gateway waits for an answer that comes whole; `None` is its usual patience."""

    @property
    def accelerator(self) -> str:
        return self.version.variant.accelerator

    @property
    def usd_per_hour(self) -> float | None:
        """Of one replica, with all its devices; `None` where no price is known."""
        return usd_per_hour(self.run, self.version)

    @property
    def prices(self) -> UnitPrices:
        """All of them."""
        return UnitPrices(
            usd_per_mtok=self.usd_per_mtok,
            usd_per_image=self.usd_per_image,
            usd_per_mtok_embedded=self.usd_per_mtok_embedded,
        )


def learn(pipeline: str, number: int, shop: Workshop) -> VersionFacts:
    """Read a version and its run. Raises SpecError for an unknown one."""
    version = version_of(pipeline, number, shop)
    run = shop.store.run(version.run_id)
    trials = [t for t in shop.store.trials(run.run_id) if t.variant == version.variant]
    metrics = _metrics(run, version)
    painted = painted_by(trials)
    return VersionFacts(
        version=version,
        run=run,
        replica=Replica(
            concurrency=measured_concurrency(run.request.workload, metrics),
            cold_start_s=_value(metrics, COLD_START_S, 0.0),
            cold_start_budget_s=usual_cold_start_s(run.request.workload),
            usd_per_hour=usd_per_hour(run, version) or 0.0,
            service=(_service(run.request.workload, metrics),),
            requests_per_s=_value(metrics, REQUESTS_PER_S, 0.0) or None,
        ),
        limits=ttft_limits(run.request),
        probe=picture_probe(run, trials, shop) if painted else _probe(run, trials, shop),
        usd_per_mtok=_value(metrics, COST_USD_PER_MTOK, 0.0),
        usd_per_image=_value(metrics, COST_USD_PER_IMAGE, 0.0),
        usd_per_mtok_embedded=embedding_usd_per_mtok(run.request.workload, metrics),
        routes=served_routes(run.request.workload, load_engine(version.variant.engine), run.model),
        painted=painted,
        first_byte_timeout_s=patience_s(run.request.workload, metrics),
    )


def prices_of(pipeline: str, number: int, shop: Workshop) -> UnitPrices:
    """What a version's answers cost when it was measured. Raises SpecError for an unknown one."""
    version = version_of(pipeline, number, shop)
    run = shop.store.run(version.run_id)
    metrics = _metrics(run, version)
    return UnitPrices(
        usd_per_mtok=_value(metrics, COST_USD_PER_MTOK, 0.0),
        usd_per_image=_value(metrics, COST_USD_PER_IMAGE, 0.0),
        usd_per_mtok_embedded=embedding_usd_per_mtok(run.request.workload, metrics),
    )


def usd_per_hour(run: RunRecord, version: Version) -> float | None:
    """Of one replica of a version; `None` where the run knew no price."""
    return run.request.usd_per_hour(version.variant)


def patience_s(workload: Workload, metrics: Mapping[str, Metric]) -> float | None:
    """Several times the slowest picture that was measured, for a request may want several, large
    ones; `None` for texts, which have the gateway's usual patience."""
    if workload.image is None:
        return None
    slowest_s = _value(metrics, latency_name("e2e", "max"), 0.0) / MS_PER_S
    return max(LEAST_PATIENCE_S, PATIENCE * MOST_IMAGES * slowest_s)


def served_routes(workload: Workload, engine: Engine, model: Model) -> tuple[str, ...]:
    """The routes of an engine that was measured under this load."""
    if workload.image is not None:
        return IMAGE_ROUTES
    embeds = isinstance(engine, CanEmbed) and engine.embeds(model)
    return (*ROUTES, Route.EMBEDDINGS.value) if embeds else ROUTES


def embedding_usd_per_mtok(workload: Workload, metrics: Mapping[str, Metric]) -> float:
    """What a million tokens cost that are read and not answered.

    Of what a measured request cost, the share of the time before its first token, which is when
    its prompt is read; a request holds its place at the replica for as long either way.
    """
    answer_tokens = workload.output_tokens
    usd = _value(metrics, COST_USD_PER_MTOK, 0.0) * answer_tokens
    ttft_ms = _value(metrics, latency_name("ttft", "mean"), 0.0)
    written_ms = _value(metrics, latency_name("tpot", "mean"), 0.0) * max(answer_tokens - 1, 0)
    if not workload.input_tokens or not ttft_ms:
        return 0.0
    return usd * ttft_ms / (ttft_ms + written_ms) / workload.input_tokens


def usual_cold_start_s(workload: Workload) -> float:
    """How long a start may take where nobody says otherwise."""
    return LANGUAGE_COLD_START_S if workload.image is None else IMAGE_COLD_START_S


def version_of(pipeline: str, number: int, shop: Workshop) -> Version:
    """One version. Raises SpecError."""
    versions = shop.store.versions(pipeline)
    found = next((version for version in versions if version.number == number), None)
    if found is None:
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"pipeline {pipeline!r} has no version {number}",
            why=f"it has versions 1 to {len(versions)}",
            fix=f"paceline versions {pipeline}",
        )
    return found


def model_of_version(pipeline: str, number: int, shop: Workshop) -> Model:
    """What a version serves. Raises SpecError for one that does not exist."""
    return shop.store.run(version_of(pipeline, number, shop).run_id).model


def with_starts(facts: VersionFacts, seen_s: Sequence[float]) -> VersionFacts:
    """With the cold starts that were seen since, once there are any."""
    if not seen_s:
        return facts
    measured = replace(
        facts.replica,
        cold_start_s=quantile(seen_s, 0.5),
        cold_start_p90_s=expected_s(seen_s, None),
    )
    return replace(facts, replica=measured)


def cold_starts_s(version: Version, shop: Workshop) -> tuple[float, ...]:
    """How long its latest starts took, those that came to serve."""
    replicas = shop.store.deployments.replicas(
        pipeline=version.pipeline, version=version.number, limit=STARTS_REMEMBERED
    )
    return tuple(
        total_s(replica.cold_start)
        for replica in replicas
        if replica.cold_start is not None and replica.port is not None  # it was admitted
    )


def measured_concurrency(workload: Workload, metrics: dict[str, Metric]) -> int:
    """Requests in flight at which the version met its limits.

    A closed loop names it; in an open one it is requests/s × mean time in flight (Little's law).
    """
    if workload.rate_rps is None:
        return max(workload.concurrency, 1)
    rate_rps = _value(metrics, REQUESTS_PER_S, workload.rate_rps)
    e2e_s = _value(metrics, latency_name("e2e", "mean"), MS_PER_S) / MS_PER_S
    return max(round(rate_rps * e2e_s), 1)


def ttft_limits(request: Request) -> tuple[LatencyLimit, ...]:
    """The absolute upper limits on percentiles of TTFT that the run was asked to keep."""
    return tuple(
        LatencyLimit(
            share=float(constraint.statistic[1:]) / 100, limit_s=constraint.limit / MS_PER_S
        )
        for constraint in request.constraints
        if constraint.metric == "ttft"
        and constraint.statistic in ("p50", "p90", "p95", "p99")
        and constraint.comparison in (Comparison.AT_MOST, Comparison.BELOW)
        and not constraint.relative
    )


def _metrics(run: RunRecord, version: Version) -> dict[str, Metric]:
    if run.result is None:
        raise SetupError(
            Code.STORE_UNUSABLE,
            f"run {run.run_id} of version {version.number} has no result",
            why=f"it is {run.state.value}",
            fix=f"paceline optimize --resume {run.run_id}",
        )
    found = (r for r in run.result.ranking.ranked if r.variant == version.variant)
    return dict(next(found).metrics)


def _service(workload: Workload, metrics: dict[str, Metric]) -> ServicePoint:
    return ServicePoint(
        concurrency=measured_concurrency(workload, metrics),
        ttft_ms=_value(metrics, latency_name("ttft", "mean"), 0.0),
        tpot_ms=_value(metrics, latency_name("tpot", "mean"), 0.0),
    )


def _probe(run: RunRecord, trials: list[TrialRecord], shop: Workshop) -> Suite | None:
    """A seeded part of the items that the version answered rightly when it was measured."""
    quality = next((trial.quality for trial in trials if trial.quality), None)
    path = run.model.suite_path
    if quality is None or path is None:
        return None
    suite = shop.suites.find(path)
    right = {item.item_id for item in quality.items if item.score == 1.0}
    items = [item for item in suite.items if item.item_id in right]
    if not items or suite.sha256 != quality.suite_sha256:
        return None
    chance = Random(run.run_id)  # noqa: S311 - not a secret
    chosen = chance.sample(items, min(PROBE_ITEMS, len(items)))
    return replace(suite, items=tuple(chosen))


def _value(metrics: Mapping[str, Metric], name: str, otherwise: float) -> float:
    return metrics[name].value if name in metrics else otherwise
