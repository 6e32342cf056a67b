"""`paceline deploy` and `paceline undeploy`: say what shall be served."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.app.deploy import DeployOrder, deploy, read_target, wait_settled
from paceline.app.endpoints import endpoint_document, one_endpoint, remove
from paceline.app.licenses import banner, license_document
from paceline.app.serving.facts import model_of_version, prices_of
from paceline.app.serving.lock import is_served
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json
from paceline.errors import Code, SpecError
from paceline.records.deployment import Canary, EndpointStatus
from paceline.records.gateway import UnknownParameters
from paceline.records.scaling import Mode
from paceline.units import format_duration, parse_duration_s

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


PipelineVersion = Annotated[
    str, typer.Argument(metavar="PIPELINE[@N]", help="A pipeline; without @N its current one.")
]
Name = Annotated[
    str | None, typer.Option(help="What clients send as `model`; default the pipeline.")
]
Aliases = Annotated[
    list[str] | None,
    typer.Option(
        "--alias", help="A further name for it (repeatable); all that were not given end."
    ),
]
WorkspaceName = Annotated[
    str | None, typer.Option(help="Whose keys may use it; default the one it is in, or `default`.")
]
ModeName = Annotated[
    Mode | None, typer.Option(help="flex goes to zero when idle, active never does.")
]
Minimum = Annotated[int | None, typer.Option("--min", min=0, max=10_000, help="Fewest replicas.")]
Maximum = Annotated[int | None, typer.Option("--max", min=1, max=10_000, help="Most replicas.")]
Budget = Annotated[
    float | None,
    typer.Option(
        "--hourly-budget", metavar="USD", help="No more replicas than cost this an hour together."
    ),
]
IdleTimeout = Annotated[
    str | None, typer.Option(help="Quiet time before it goes to zero, e.g. 5m.")
]
Hold = Annotated[
    str | None, typer.Option(help="How long a request may wait for a replica, then 503.")
]
QueueDelay = Annotated[str | None, typer.Option(help="p90 wait above which a replica is added.")]
InFlight = Annotated[
    float | None,
    typer.Option(
        help="Requests in flight per replica to aim at, and to give it; default as measured."
    ),
]
PolicyPath = Annotated[
    Path | None, typer.Option(help="A policy file; the options above win over it.")
]
StartBudget = Annotated[
    str | None, typer.Option(help="A start that takes longer fails the version.")
]
DrainTimeout = Annotated[str | None, typer.Option(help="How long a replica that goes may finish.")]
AnswerTimeout = Annotated[
    str | None, typer.Option(help="How long an answer that does not stream may take, then 504.")
]
CanaryShare = Annotated[
    str | None, typer.Option(help="Give this share of requests to the new version first: 5%.")
]
CanaryFor = Annotated[str | None, typer.Option(help="How long a canary is watched at least.")]
CanaryRequests = Annotated[
    int | None, typer.Option(min=1, help="How many of its requests are watched at least.")
]
ShareDevice = Annotated[
    bool | None,
    typer.Option("--share-device/--no-share-device", help="Run beside an optimization."),
]
Unknown = Annotated[
    UnknownParameters | None,
    typer.Option(help="What becomes of request fields that the OpenAI API does not have."),
]
PrefixAffine = Annotated[
    bool | None,
    typer.Option(
        "--prefix-affine/--no-prefix-affine",
        help="Send requests that begin alike to the same replica, for its prefix cache.",
    ),
]
QueueLength = Annotated[
    int | None, typer.Option(min=0, help="How many requests may wait for a replica, then 503.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it serves.")]


def deploy_command(
    target: PipelineVersion,
    name: Name = None,
    alias: Aliases = None,
    workspace: WorkspaceName = None,
    mode: ModeName = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    hourly_budget: Budget = None,
    idle_timeout: IdleTimeout = None,
    hold: Hold = None,
    queue_delay: QueueDelay = None,
    concurrency: InFlight = None,
    policy: PolicyPath = None,
    cold_start_budget: StartBudget = None,
    drain_timeout: DrainTimeout = None,
    answer_timeout: AnswerTimeout = None,
    canary: CanaryShare = None,
    canary_for: CanaryFor = None,
    canary_requests: CanaryRequests = None,
    share_device: ShareDevice = None,
    unknown_parameters: Unknown = None,
    prefix_affine: PrefixAffine = None,
    queue_length: QueueLength = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Say that a version shall be served; `paceline serve` does it.

    What is not given stays as it was, so that `paceline deploy PIPELINE` rolls an endpoint to the
    pipeline's current version.
    """
    pipeline, version = read_target(target)
    order = DeployOrder(
        pipeline=pipeline,
        version=version,
        name=name,
        aliases=_aliases(alias),
        workspace=workspace,
        policy_file=policy,
        mode=mode,
        min_replicas=minimum,
        max_replicas=maximum,
        budget_usd_per_hour=hourly_budget,
        idle_timeout_s=_duration_s("--idle-timeout", idle_timeout),
        queue_delay_s=_duration_s("--queue-delay", queue_delay),
        target_in_flight=concurrency,
        cold_start_budget_s=_duration_s("--cold-start-budget", cold_start_budget),
        hold_s=_duration_s("--hold", hold),
        drain_timeout_s=_duration_s("--drain-timeout", drain_timeout),
        answer_timeout_s=_duration_s("--answer-timeout", answer_timeout),
        canary=_canary(canary, canary_for, canary_requests),
        share_device=share_device,
        unknown_parameters=unknown_parameters,
        prefix_affine=prefix_affine,
        queue_length=queue_length,
    )
    _deploy(order, wait=wait, as_json=as_json)


def undeploy(
    name: Annotated[str, typer.Argument(help="A name from `paceline endpoints`.")],
) -> None:
    """Stop serving an endpoint; requests under way may finish. Versions and log stay."""
    remove(name, Workshop())
    typer.echo(f"endpoint {name!r} is no longer wanted", err=True)


def _deploy(order: DeployOrder, *, wait: bool, as_json: bool) -> None:
    """Write it down and say under which terms; wait for it where asked to."""
    shop = Workshop()

    def say(words: str) -> None:
        typer.echo(f"endpoint {order.name or order.pipeline!r}: {words}", err=True)

    endpoint = deploy(order, shop, say=say)
    model = model_of_version(endpoint.pipeline, endpoint.version, shop)
    terms = banner(model)
    if terms is not None:
        typer.echo(terms, err=True)
    prices = prices_of(endpoint.pipeline, endpoint.version, shop)
    if prices.text is not None:
        typer.echo(f"price: {prices.text}", err=True)
    served = is_served(shop.places.data)
    if wait:
        if not served:
            typer.echo("nobody serves it yet; waiting for a paceline serve", err=True)
        wait_settled(endpoint, shop, on_change=_print_change)
    elif not served:
        typer.echo("nobody serves it yet: paceline serve", err=True)
    if as_json:
        document = endpoint_document(one_endpoint(endpoint.name, shop))
        print_json({**document, "license": license_document(model)})


def _print_change(status: EndpointStatus) -> None:
    progress = ""
    if status.progress is not None:
        done = status.progress
        eta = format_duration(done.eta_s)
        progress = f"; {done.phase.value} {done.progress:.0%}, about {eta} left"
    typer.echo(f"{status.state.value}: {status.because}{progress}", err=True)


def _aliases(given: list[str] | None) -> tuple[str, ...] | None:
    """`--alias ""` alone is none any more."""
    if not given:
        return None
    return () if given == [""] else tuple(given)


def _canary(share: str | None, for_: str | None, requests: int | None) -> Canary | None:
    if share is None:
        for option, value in (("--canary-for", for_), ("--canary-requests", requests)):
            if value is not None:
                raise SpecError(
                    Code.CONTRADICTION,
                    f"{option} without a canary",
                    why="it says when a canary is decided on",
                    fix="add --canary 5%, or leave it out",
                )
        return None
    defaults = Canary(share=_share(share))
    for_s = _duration_s("--canary-for", for_)
    return Canary(
        share=defaults.share,
        at_least_s=defaults.at_least_s if for_s is None else for_s,
        requests=defaults.requests if requests is None else requests,
    )


def _share(text: str) -> float:
    number, percent = text.removesuffix("%").strip(), text.endswith("%")
    try:
        share = float(number) / 100 if percent else float("nan")
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise SpecError(
            Code.BAD_OPTION,
            f"--canary {text!r} is no share of requests",
            why="it is a percentage between 0 and 100",
            fix="--canary 5%",
        )
    return share


def _duration_s(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    found = parse_duration_s(text)
    if found is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{option} {text!r} is no duration",
            why="a duration is a number with its unit",
            fix=f"write for example {option} 90s",
        )
    return float(found)
