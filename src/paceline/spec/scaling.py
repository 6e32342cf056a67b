"""The policy file, version 1: which policy, its settings and bounds, and what a replica does.

Every key but the version may be left out. A named policy is a file that says only its name.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from paceline.errors import SpecError
from paceline.records.scaling import (
    Bounds,
    KnativePolicy,
    Mode,
    PacelinePolicy,
    Policy,
    QueueDelayPolicy,
    Replica,
    RequestCountPolicy,
    RpsPolicy,
    ServicePoint,
)
from paceline.spec.names import unknown_name
from paceline.spec.positions import Document, bad_file, read_yaml
from paceline.units import parse_duration_s

KEYS_PAGE: Final = "docs/guides/autoscale.md"
POLICIES: Final[Mapping[str, type[Policy]]] = MappingProxyType(
    {
        "paceline": PacelinePolicy,
        "knative": KnativePolicy,
        "queue_delay": QueueDelayPolicy,
        "request_count": RequestCountPolicy,
        "rps": RpsPolicy,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy file as read; `replica` is `None` when it describes none."""

    policy: Policy
    replica: Replica | None


def named_policy(name: str) -> Policy:
    """The policy with its defaults. Raises SpecError (`unknown-name`)."""
    if name not in POLICIES:
        raise unknown_name("policy", name, POLICIES)
    return POLICIES[name]()


def policy_name(policy: Policy) -> str:
    """The name a policy has in files and on the command line."""
    return next(name for name, kind in POLICIES.items() if isinstance(policy, kind))


def read_policy(text: str, source: str) -> PolicyFile:
    """A policy file. Raises SpecError (`bad-input-file`) at the line and key."""
    document = read_yaml(text, source, page=KEYS_PAGE)
    if "version" not in document.data:
        raise bad_file(source, 1, "it does not say `version: 1`", key="version", page=KEYS_PAGE)
    try:
        content = _File.model_validate(document.data)
    except ValidationError as error:
        raise _at_its_line(document, error) from error
    bounds = Bounds(**content.bounds.model_dump(exclude_none=True))
    if bounds.max_replicas < bounds.min_replicas:
        why = f"{bounds.max_replicas} is below min_replicas, {bounds.min_replicas}"
        raise _bad(document, ("bounds", "max_replicas"), why)
    settings = _settings(document, content)
    policy = POLICIES[content.policy](bounds=bounds, **settings)
    replica = None if content.replica is None else _replica(document, content.replica)
    return PolicyFile(policy=policy, replica=replica)


def _seconds(value: object) -> object:
    """`90s`, `5m`, or a plain number of seconds."""
    found = parse_duration_s(value) if isinstance(value, str) else None
    return value if found is None else float(found)


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400)]
Share = Annotated[float, Field(gt=0, le=1)]
Window = Annotated[float, BeforeValidator(_seconds), Field(ge=1, le=60)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=10_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Bounds(_Strict):
    min_replicas: Annotated[int, Field(ge=0, le=1_000)] | None = None
    max_replicas: Annotated[int, Field(ge=1, le=1_000)] | None = None
    budget_usd_per_hour: Positive | None = None


class _Settings(_Strict):
    """The settings of all policies; which of them one has is in its record."""

    mode: Literal["flex", "active"] | None = None
    target_in_flight: Positive | None = None
    target_rps: Positive | None = None
    target_share: Share | None = None
    stable: Window | None = None
    burst: Window | None = None
    burst_factor: Positive | None = None
    burst_hold: Duration | None = None
    panic: Window | None = None
    panic_threshold: Positive | None = None
    max_scale_up_rate: Annotated[float, Field(gt=1)] | None = None
    max_scale_down_rate: Annotated[float, Field(gt=1)] | None = None
    scale_to_zero_grace: Duration | None = None
    tick: Annotated[float, BeforeValidator(_seconds), Field(ge=1, le=5)] | None = None
    window: Window | None = None
    queue_delay: Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=3600)] | None = None
    request_count: Count | None = None
    counts_starting: bool | None = None
    down_after: Duration | None = None
    down_share: Share | None = None
    gone_share: Share | None = None
    peak: Duration | None = None
    idle_timeout: Duration | None = None
    cold_start_budget: Duration | None = None


class _Point(_Strict):
    concurrency: Count
    ttft_ms: Annotated[float, Field(ge=0)]
    tpot_ms: Positive


class _Replica(_Strict):
    concurrency: Count
    cold_start: Duration
    cold_start_p90: Duration | None = None
    usd_per_hour: Annotated[float, Field(ge=0)]
    ttft_ms_per_1k_input: Annotated[float, Field(ge=0)] = 0.0
    requests_per_s: Positive | None = None
    service: Annotated[list[_Point], Field(min_length=1)]


class _File(_Strict):
    version: Literal[1]
    policy: Literal["paceline", "knative", "queue_delay", "request_count", "rps"] = "paceline"
    bounds: _Bounds = Field(default_factory=_Bounds)
    settings: _Settings = Field(default_factory=_Settings)
    replica: _Replica | None = None


def _settings(document: Document, content: _File) -> dict[str, Any]:
    """The settings as fields of the policy's record; a setting of another policy is refused."""
    given = content.settings.model_dump(exclude_none=True)
    known = {field.name for field in fields(POLICIES[content.policy])} - {"bounds"}
    settings = {}
    for key, value in given.items():
        field = key if key in known else f"{key}_s"
        if field not in known:
            names = ", ".join(sorted(name.removesuffix("_s") for name in known))
            why = f"the policy {content.policy} has no such setting; it has {names}"
            raise _bad(document, ("settings", key), why)
        settings[field] = Mode(value) if key == "mode" else value
    return settings


def _replica(document: Document, given: _Replica) -> Replica:
    points = given.service
    for index, (low, high) in enumerate(itertools.pairwise(points), start=1):
        if high.concurrency <= low.concurrency:
            why = f"concurrency {high.concurrency} does not rise from {low.concurrency}"
            raise _bad(document, ("replica", "service", index), why)
    if given.cold_start_p90 is not None and given.cold_start_p90 < given.cold_start:
        why = f"{given.cold_start_p90:g} s is below the median, {given.cold_start:g} s"
        raise _bad(document, ("replica", "cold_start_p90"), why)
    return Replica(
        concurrency=given.concurrency,
        cold_start_s=given.cold_start,
        cold_start_p90_s=given.cold_start_p90,
        usd_per_hour=given.usd_per_hour,
        ttft_ms_per_1k_input=given.ttft_ms_per_1k_input,
        requests_per_s=given.requests_per_s,
        service=tuple(ServicePoint(**point.model_dump()) for point in points),
    )


def _at_its_line(document: Document, error: ValidationError) -> SpecError:
    found = error.errors(include_url=False)
    # A misspelt key is reported beside the one that is now missing; it is the cause.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    if first["type"] == "extra_forbidden":
        why = "there is no such key"
    else:
        why = f"{first['msg']}; it holds {first['input']!r}"
    return _bad(document, first["loc"], why)


def _bad(document: Document, path: tuple[str | int, ...], why: str) -> SpecError:
    key = ".".join(str(part) for part in path)
    return bad_file(document.source, document.line(path), why, key=key, page=KEYS_PAGE)
