"""From a version to what is wanted of an endpoint: written down here, done by `paceline serve`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from paceline.app.audit import a_note, differences
from paceline.app.autoscale import read_asked
from paceline.app.names import NAME
from paceline.app.serving.facts import usd_per_hour, version_of
from paceline.app.serving.lock import is_served
from paceline.app.wiring import Workshop
from paceline.app.workspaces import check_workspace_name
from paceline.clock import Clock
from paceline.errors import CapacityError, Code, SetupError, SpecError
from paceline.ports.store import StaleWrite
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.deployment import (
    Canary,
    DeployedPolicy,
    Endpoint,
    EndpointState,
    EndpointStatus,
    LogKind,
    LogLine,
)
from paceline.records.gateway import UnknownParameters
from paceline.records.run import AuditEvent
from paceline.records.scaling import Bounds, Mode, PacelinePolicy
from paceline.records.version import Version

POLL_S: Final = 0.2
SERVED_WITHIN_S: Final = 15.0
"""How long a `paceline serve` that was started at the same time, or again, may take to be there."""
ATTEMPTS: Final = 5
SETTLED: Final = (EndpointState.LIVE, EndpointState.CANARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOrder:
    """What `deploy` was asked; `None` keeps what the endpoint has, or the default."""

    pipeline: str
    version: int | None = None
    name: str | None = None
    aliases: tuple[str, ...] | None = None
    workspace: str | None = None
    policy_file: Path | None = None
    mode: Mode | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    budget_usd_per_hour: float | None = None
    idle_timeout_s: float | None = None
    queue_delay_s: float | None = None
    target_in_flight: float | None = None
    cold_start_budget_s: float | None = None
    hold_s: float | None = None
    queue_length: int | None = None
    drain_timeout_s: float | None = None
    answer_timeout_s: float | None = None
    canary: Canary | None = None
    share_device: bool | None = None
    unknown_parameters: UnknownParameters | None = None
    prefix_affine: bool | None = None


def read_target(text: str) -> tuple[str, int | None]:
    """`PIPELINE` or `PIPELINE@N`. Raises SpecError."""
    pipeline, at, number = text.partition("@")
    if at and not number.isdigit():
        raise SpecError(
            Code.BAD_OPTION,
            f"{text!r} names no version",
            why=f"{number!r} is no number",
            fix=f"paceline versions {pipeline}",
        )
    return pipeline, int(number) if at else None


def deploy(
    order: DeployOrder,
    shop: Workshop,
    *,
    actor: str = LOCAL,
    say: Callable[[str], None] | None = None,
) -> Endpoint:
    """Store what is wanted and return; nothing runs differently before `paceline serve` sees it.

    A version that this endpoint served before is scaled as it was then, unless the order says
    otherwise; `say` is told what changes.

    Raises SpecError for an unknown pipeline or version, a wrong name or bounds, a model whose
    files changed since it was measured.
    """
    version = _version(order, shop)
    name = order.name or order.pipeline
    for one in (name, *(order.aliases or ())):
        _check_name(one)
    if order.workspace is not None:
        check_workspace_name(order.workspace)
    _check_answer_timeout(order.answer_timeout_s)
    _check_model(version, shop)
    kept = shop.store.deployments
    for _ in range(ATTEMPTS):
        before = next((one for one in kept.endpoints() if one.name == name), None)
        wanted = _wanted(order, version, name, before, shop)
        try:
            placed = kept.put_endpoint(
                wanted,
                expected=0 if before is None else before.revision,
                notes=_notes(before, wanted, actor, shop.clock),
            )
        except StaleWrite:  # somebody deployed at the same moment: theirs is what this one changes
            continue
        words = _words(before, placed)
        kept.log(
            LogLine(
                endpoint=name,
                at_utc=placed.deployed_at_utc,
                kind=LogKind.DEPLOY,
                because=words,
                version=placed.version,
            )
        )
        if say is not None:
            say(words)
        return placed
    raise CapacityError(
        Code.SERVE_BUSY,
        f"endpoint {name!r} is being changed by others",
        why=f"it changed {ATTEMPTS} times in a row under this command",
        fix="try again",
    )


def latest_policies(pipeline: str, shop: Workshop) -> Mapping[tuple[int, str], DeployedPolicy]:
    """By version and endpoint: the policy that it was last deployed with there."""
    kept = shop.store.deployments.policies_of(pipeline)
    return {(one.version, one.endpoint): one for one in kept}


def wait_settled(
    endpoint: Endpoint, shop: Workshop, *, on_change: Callable[[EndpointStatus], None]
) -> EndpointStatus:
    """Block until this deployment serves. Raises SetupError when its version failed.

    Raises CapacityError when no `paceline serve` comes, or another deployment took its place.
    """
    last: EndpointStatus | None = None
    served_s = shop.clock.monotonic_s()
    while True:
        status = shop.store.deployments.status(endpoint.name)
        current = shop.store.deployments.endpoint(endpoint.name)
        if status is not None and status.revision == endpoint.revision:
            if last is None or status != last:
                on_change(status)
            last = status
            _raise_failed(endpoint, status)
            if _settled(status, endpoint):
                return status
        if is_served(shop.places.data):
            served_s = shop.clock.monotonic_s()
        alone_s = shop.clock.monotonic_s() - served_s
        if current.revision != endpoint.revision or alone_s > SERVED_WITHIN_S:
            raise _given_up(endpoint, current)
        shop.clock.sleep(POLL_S)


def _settled(status: EndpointStatus, endpoint: Endpoint) -> bool:
    """It serves, or it has served and is at zero until somebody asks."""
    if status.state is EndpointState.IDLE:
        return status.stable == endpoint.version
    return status.state in SETTLED and status.ready > 0


def _version(order: DeployOrder, shop: Workshop) -> Version:
    if order.version is not None:
        return version_of(order.pipeline, order.version, shop)
    shop.store.versions(order.pipeline)  # names the known ones when there is no such pipeline
    current = next(p.current for p in shop.store.pipelines() if p.name == order.pipeline)
    return version_of(order.pipeline, current, shop)


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{name!r} cannot be the name of an endpoint",
            why="clients send it as `model`: lower-case letters, digits, '.', '_' and '-'",
            fix="--name with another one",
        )


def _check_answer_timeout(answer_timeout_s: float | None) -> None:
    if answer_timeout_s is not None and answer_timeout_s <= 0:
        raise SpecError(
            Code.BAD_OPTION,
            f"--answer-timeout {answer_timeout_s:g}s leaves no time for an answer",
            why="it is how long one may take that does not stream: more than 0s",
            fix="--answer-timeout 600s",
        )


def _check_model(version: Version, shop: Workshop) -> None:
    """What would be served is what was measured."""
    run = shop.store.run(version.run_id)
    model = shop.hub.find(run.model.source or run.request.model)
    if model.sha256 != run.model.sha256:
        raise SpecError(
            Code.BAD_MODEL,
            f"the model of version {version.number} has changed since it was measured",
            why=f"its files hashed to {run.model.sha256[:12]}, now to {model.sha256[:12]}",
            fix="optimize again, or put the model back",
        )


def _wanted(
    order: DeployOrder, version: Version, name: str, before: Endpoint | None, shop: Workshop
) -> Endpoint:
    if before is not None and before.pipeline != order.pipeline:
        raise SpecError(
            Code.CONTRADICTION,
            f"endpoint {name!r} serves another pipeline",
            why=f"it serves {before.pipeline!r}, this is {order.pipeline!r}",
            fix=f"--name with another one, or `paceline undeploy {name}` first",
        )
    policy = _policy(order, _policy_before(before, version, shop))
    _check_aim(policy.target_in_flight)
    if order.budget_usd_per_hour is not None:
        _check_budget(policy.bounds, order.budget_usd_per_hour, version, shop)
    wanted = before or Endpoint(
        name=name,
        pipeline=order.pipeline,
        version=version.number,
        policy=policy,
        deployed_at_utc="",
    )
    given = {
        "workspace": order.workspace,
        "aliases": None if order.aliases is None else tuple(dict.fromkeys(order.aliases)),
        "hold_s": order.hold_s,
        "queue_length": order.queue_length,
        "drain_timeout_s": order.drain_timeout_s,
        "answer_timeout_s": order.answer_timeout_s,
        "share_device": order.share_device,
        "unknown_parameters": order.unknown_parameters,
        "prefix_affine": order.prefix_affine,
    }
    changed = replace(
        wanted,
        version=version.number,
        policy=policy,
        canary=order.canary,
        deployed_at_utc=shop.clock.utc_now().isoformat(timespec="seconds"),
    )
    return replace(changed, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # its own fields


def _policy_before(before: Endpoint | None, version: Version, shop: Workshop) -> PacelinePolicy:
    """What the options change: a version that served here is scaled as it was then."""
    if before is None:
        return PacelinePolicy()
    if before.version != version.number:
        served = latest_policies(version.pipeline, shop).get((version.number, before.name))
        if served is not None:
            return served.policy
    return before.policy


def _policy(order: DeployOrder, before: PacelinePolicy) -> PacelinePolicy:
    policy = before if order.policy_file is None else _from_file(order.policy_file)
    given = {
        "mode": order.mode,
        "idle_timeout_s": order.idle_timeout_s,
        "target_in_flight": order.target_in_flight,
        "cold_start_budget_s": order.cold_start_budget_s,
        "queue_delay_s": order.queue_delay_s,
    }
    bounds = {
        "min_replicas": order.min_replicas,
        "max_replicas": order.max_replicas,
        "budget_usd_per_hour": order.budget_usd_per_hour,
    }
    kept = replace(policy.bounds, **{k: v for k, v in bounds.items() if v is not None})  # type: ignore[arg-type]  # its own fields
    _check_bounds(kept)
    changed = replace(policy, bounds=kept)
    return replace(changed, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # its own fields


def _from_file(path: Path) -> PacelinePolicy:
    policy = read_asked(str(path)).policy
    if isinstance(policy, PacelinePolicy):
        return policy
    raise SpecError(
        Code.BAD_OPTION,
        f"{path.name!r} is another policy than `paceline`",
        why="the others are there to compare with in `paceline autoscale replay`",
        fix="leave `policy:` out of the file, or set it to paceline",
    )


def _check_bounds(bounds: Bounds) -> None:
    if bounds.max_replicas < max(bounds.min_replicas, 1):
        raise SpecError(
            Code.CONTRADICTION,
            "more replicas at least than at most",
            why=f"--min {bounds.min_replicas}, --max {bounds.max_replicas}",
            fix=f"--max {max(bounds.min_replicas, 1)}",
        )


def _check_aim(target_in_flight: float | None) -> None:
    if target_in_flight is None or (target_in_flight > 0 and math.isfinite(target_in_flight)):
        return
    raise SpecError(
        Code.BAD_OPTION,
        f"--concurrency {target_in_flight:g} is nothing to aim at",
        why="it is how many requests a replica has in flight: a finite number above 0",
        fix="leave --concurrency out for 0.75 of what was measured",
    )


def _check_budget(bounds: Bounds, budget_usd: float, version: Version, shop: Workshop) -> None:
    """One that cannot be kept is not promised."""
    if not math.isfinite(budget_usd):
        raise SpecError(
            Code.BAD_OPTION,
            f"--hourly-budget {budget_usd:g} is no budget",
            why="it is a number of USD, and a finite one",
            fix="leave --hourly-budget out for none",
        )
    each_usd = usd_per_hour(shop.store.run(version.run_id), version)
    if each_usd is None:
        raise SpecError(
            Code.CONTRADICTION,
            f"--hourly-budget {budget_usd:g} cannot be kept",
            why=f"no price was known to the run of version {version.number}",
            fix="optimize with --price, or bound the replicas: --max 2",
        )
    fewest = max(bounds.min_replicas, 1)
    or_fewer = ", or fewer with --min" if fewest > 1 else ""
    if budget_usd < fewest * each_usd:
        raise SpecError(
            Code.CONTRADICTION,
            f"--hourly-budget {budget_usd:g} is less than the fewest replicas cost",
            why=f"{fewest} x {each_usd:g} USD an hour = {fewest * each_usd:g} USD",
            fix=f"--hourly-budget {fewest * each_usd:g}{or_fewer}",
        )


def _notes(before: Endpoint | None, wanted: Endpoint, actor: str, clock: Clock) -> list[AuditEvent]:
    """For the audit trail: what is wanted, and how it is scaled where that changed."""
    details = {
        AuditKind.DEPLOYED: _wanted_words(before, wanted),
        AuditKind.POLICY_CHANGED: _scaled_words(before, wanted),
    }
    return [
        a_note(
            kind,
            detail,
            actor=actor,
            subject=wanted.name,
            clock=clock,
            pipeline=wanted.pipeline,
        )
        for kind, detail in details.items()
        if detail
    ]


def _words(before: Endpoint | None, placed: Endpoint) -> str:
    scaled = _scaled_words(before, placed)
    return _wanted_words(before, placed) + (f"; {scaled}" if scaled else "")


def _scaled_words(before: Endpoint | None, placed: Endpoint) -> str:
    policy = PacelinePolicy() if before is None else before.policy
    return differences(policy, placed.policy)


def _wanted_words(before: Endpoint | None, placed: Endpoint) -> str:
    canary = (
        ""
        if placed.canary is None
        else f", canary with {placed.canary.share * 100:.3g} % of requests"
    )
    if before is None:
        named = f", also as {' '.join(placed.aliases)}" if placed.aliases else ""
        return f"version {placed.version} is wanted{canary}{named}"
    named = ""
    if before.aliases != placed.aliases:
        named = f", also as {' '.join(placed.aliases) or 'nothing else'}"
    rolls = "" if before.version == placed.version else f"{before.version} -> "
    return f"version {rolls}{placed.version} is wanted{canary}{named}"


def _raise_failed(endpoint: Endpoint, status: EndpointStatus) -> None:
    for failed in status.failed:
        if failed.revision == endpoint.revision and failed.version == endpoint.version:
            serves = "nothing serves" if status.stable is None else f"{status.stable} serves on"
            raise SetupError(
                Code.ENGINE_FAILED,
                f"version {failed.version} of {endpoint.name!r} failed in {failed.phase}; {serves}",
                why=failed.because,
                fix=f"paceline endpoints {endpoint.name} --log",
            )


def _given_up(endpoint: Endpoint, current: Endpoint) -> CapacityError:
    if current.revision != endpoint.revision:
        return CapacityError(
            Code.SERVE_BUSY,
            f"endpoint {endpoint.name!r} was deployed again meanwhile",
            why=f"revision {endpoint.revision} was waited for, {current.revision} is wanted now",
            fix=f"paceline endpoints {endpoint.name}",
        )
    return CapacityError(
        Code.SERVE_BUSY,
        "no `paceline serve` runs on this data folder",
        why=f"{endpoint.name!r} is stored as wanted; nobody came in {SERVED_WITHIN_S:g} s to do it",
        fix="start `paceline serve`",
    )
