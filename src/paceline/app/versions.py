"""Two versions of a pipeline side by side: what they are, and what each was measured to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paceline.app.audit import changed_fields
from paceline.app.deploy import latest_policies
from paceline.app.runs import COMPARED, change_of, more_than_noise, ranking_of
from paceline.app.serving.facts import version_of
from paceline.app.wiring import Workshop
from paceline.records.deployment import DeployedPolicy
from paceline.records.measurement import Metric
from paceline.records.run import RunRecord
from paceline.records.scaling import PacelinePolicy
from paceline.records.serial import dump
from paceline.records.version import Version

AS_DEFAULT: Final = "as default"
NOT_DEPLOYED: Final = "not deployed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure of both; `change` is relative to the first. `None` where it cannot be told."""

    metric: str
    first: Metric
    second: Metric
    change: float | None
    more_than_noise: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionComparison:
    """`specs` are name, value of the first and of the second, where they differ."""

    first: Version
    second: Version
    specs: tuple[tuple[str, str, str], ...]
    measured: tuple[Measured, ...]


def compare_versions(pipeline: str, first: int, second: int, shop: Workshop) -> VersionComparison:
    """What differs between two versions, with the figures that both runs have.

    A change is more than noise when the intervals are apart. Where the requests differ, the figures
    were taken under different loads; `specs` names what differs. Raises SpecError for unknown ones.
    """
    versions = [version_of(pipeline, number, shop) for number in (first, second)]
    runs = [shop.store.run(version.run_id) for version in versions]
    metrics = [_metrics(run, version, shop) for run, version in zip(runs, versions, strict=True)]
    return VersionComparison(
        first=versions[0],
        second=versions[1],
        specs=(
            *changed_fields(versions[0].variant, versions[1].variant),
            *_models(*runs),
            *_requests(*runs),
            *_policies(deployed_policies(pipeline, shop), first, second),
        ),
        measured=tuple(
            Measured(
                metric=name,
                first=metrics[0][name],
                second=metrics[1][name],
                change=change_of(metrics[0][name], metrics[1][name]),
                more_than_noise=more_than_noise(metrics[0][name], metrics[1][name]),
            )
            for name in COMPARED
            if name in metrics[0] and name in metrics[1]
        ),
    )


def deployed_policies(pipeline: str, shop: Workshop) -> Mapping[int, Sequence[DeployedPolicy]]:
    """By version: the policy that each endpoint last served it with; none where it never was."""
    found: dict[int, list[DeployedPolicy]] = {}
    for one in latest_policies(pipeline, shop).values():
        found.setdefault(one.version, []).append(one)
    return found


def policy_words(policy: PacelinePolicy | None) -> str:
    """What of it is not the default, for people; `None` where a version was never deployed."""
    if policy is None:
        return NOT_DEPLOYED
    changed = changed_fields(PacelinePolicy(), policy)
    return ", ".join(f"{name} {value}" for name, _, value in changed) or AS_DEFAULT


def deployed_document(deployed: DeployedPolicy) -> dict[str, object]:
    """A policy as JSON."""
    return {
        "endpoint": deployed.endpoint,
        "at": deployed.at_utc,
        "policy": dump(deployed.policy),
    }


def comparison_document(found: VersionComparison) -> dict[str, object]:
    """As JSON."""
    return {
        "pipeline": found.first.pipeline,
        "first": found.first.number,
        "second": found.second.number,
        "specs": [
            {"field": name, "first": first, "second": second} for name, first, second in found.specs
        ],
        "measured": [
            {
                "metric": one.metric,
                "unit": one.first.unit,
                "first": _figure(one.first),
                "second": _figure(one.second),
                "change": one.change,
                "more_than_noise": one.more_than_noise,
            }
            for one in found.measured
        ],
    }


def _figure(metric: Metric) -> dict[str, object]:
    ci95 = None if metric.ci95 is None else [metric.ci95.lo, metric.ci95.hi]
    return {"value": metric.value, "ci95": ci95, "n": metric.n}


def _metrics(run: RunRecord, version: Version, shop: Workshop) -> Mapping[str, Metric]:
    ranked = ranking_of(run, shop).ranked
    return next((one.metrics for one in ranked if one.variant == version.variant), {})


def _policies(
    deployed: Mapping[int, Sequence[DeployedPolicy]], first: int, second: int
) -> Iterator[tuple[str, str, str]]:
    """How they differ at each endpoint that served one of them."""
    policies = {
        (version, one.endpoint): one.policy
        for version in (first, second)
        for one in deployed.get(version, ())
    }
    for endpoint in sorted({endpoint for _, endpoint in policies}):
        old, new = policies.get((first, endpoint)), policies.get((second, endpoint))
        if old is None or new is None:
            yield f"policy at {endpoint}", policy_words(old), policy_words(new)
            continue
        for name, was, is_now in changed_fields(old, new):
            yield f"{name} at {endpoint}", was, is_now


def _requests(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, str, str]]:
    """Constraints as they are written; all else by its fields."""
    for name, before, after in changed_fields(first.request, second.request):
        if name == "constraints":
            yield name, _limits(first), _limits(second)
        else:
            yield name, before, after


def _limits(run: RunRecord) -> str:
    return "; ".join(c.text for c in run.request.constraints) or "none"


def _models(first: RunRecord, second: RunRecord) -> tuple[tuple[str, str, str], ...]:
    hashes = (first.model.sha256, second.model.sha256)
    return () if hashes[0] == hashes[1] else (("model_sha256", hashes[0][:12], hashes[1][:12]),)
