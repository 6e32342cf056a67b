"""What a request cost, once it has ended: usage, counts, its key's limits, what it taught."""

from time import monotonic
from typing import Final

from paceline.deploy.gateway.ask import Ask
from paceline.deploy.gateway.fleet import Endpoint, W
from paceline.deploy.gateway.served import Served
from paceline.deploy.gateway.spool import OK, Spool
from paceline.deploy.gateway.sse import Counts, EventFilter
from paceline.records.gateway import Ended

FIRST_REFUSAL: Final = 300
"""From here on a status is no answer; engines' own redirects are of no use to a client."""


def settle(
    request: Served,
    endpoint: Endpoint[W],
    spool: Spool,
    *,
    status: int,
    ended: Ended,
    counts: Counts,
) -> None:
    """Account for a request; call this before its client can know the end."""
    tally, ask, now_s = endpoint.tally, request.ask, monotonic()
    served = request.replica is not None
    execution_s = now_s - request.started_s if served else 0.0
    images = ask.images if ended is OK else 0
    spool.ended(request, status, ended, counts, execution_s, images=images)
    tally.end(ended, status)
    if served:
        tally.execution.add(execution_s)
        endpoint.rate.ended(now_s)
    tokens = counts.input_tokens + counts.output_tokens
    if tokens:
        tally.input_tokens += counts.input_tokens
        tally.output_tokens += counts.output_tokens
        if ended is OK:
            endpoint.ratios.learn_input(ask.input_bytes, counts.input_tokens)
    if request.meter is not None and request.reserved is not None:
        usd = endpoint.prices.usd(request.route, counts.input_tokens, counts.output_tokens, images)
        request.meter.settle(request.reserved, tokens=tokens, usd=usd)


def end_of_answer(status: int) -> Ended:
    """How a request ended that a replica answered whole, and did not fail at."""
    return OK if status < FIRST_REFUSAL else Ended.REJECTED


def counted(endpoint: Endpoint[W], ask: Ask, events: EventFilter | None) -> Counts:
    """What an answer cost that broke off, from the bytes and events that passed."""
    if events is not None and events.counts is not None:
        return events.counts
    ratios = endpoint.ratios
    return Counts(
        ratios.input_tokens(ask.input_bytes),
        ratios.output_tokens(events.events) if events is not None else 0,
    )
