"""Limits of keys and workspaces: which make sense, and what the month has cost so far."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from paceline.clock import Clock
from paceline.errors import Code, SpecError
from paceline.ports.access import Access
from paceline.records.access import UseLimits
from paceline.records.usage import UsageBy

DAY_S: Final = 86_400
LONGEST_LIFE_S: Final = 36_500 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """USD since the month began (UTC), by key and by workspace; what cost nothing is not there."""

    by_key: Mapping[str, float] = field(default_factory=dict)
    by_workspace: Mapping[str, float] = field(default_factory=dict)


def spent_this_month(access: Access, clock: Clock) -> Spent:
    """Sums over the requests of the month; nothing is read where nobody has a budget."""
    since_s = month_began_s(clock)
    keys = any(key.limits.budget_usd_per_month is not None for key in access.stored_keys())
    workspaces = any(one.limits.budget_usd_per_month is not None for one in access.workspaces())
    return Spent(
        by_key=access.spent_usd(by=UsageBy.KEY, since_s=since_s) if keys else {},
        by_workspace=access.spent_usd(by=UsageBy.WORKSPACE, since_s=since_s) if workspaces else {},
    )


def month_began_s(clock: Clock) -> float:
    """Of the calendar, in UTC; seconds since 1970."""
    now = clock.utc_now()
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def budget_left_usd(limits: UseLimits, spent_usd: float) -> float | None:
    """What the month still has; `None` without a budget."""
    budget_usd = limits.budget_usd_per_month
    return None if budget_usd is None else budget_usd - spent_usd


def check_limits(limits: UseLimits, *, lifetime_s: float | None = None) -> None:
    """Raises SpecError for a limit that lets nothing through, or that is none."""
    given: Sequence[tuple[str, float | None]] = (
        ("--requests-per-min", limits.requests_per_min),
        ("--tokens-per-min", limits.tokens_per_min),
        ("--concurrency", limits.concurrency),
        ("--monthly-budget", limits.budget_usd_per_month),
        ("--expires", lifetime_s),
    )
    for option, value in given:
        if value is not None and not 0 < value < math.inf:
            raise SpecError(
                Code.BAD_OPTION,
                f"{option} is {value:g}",
                why="nothing would ever pass; it is above 0"
                if value <= 0
                else "it is a number, and a finite one",
                fix=f"leave {option} out for no limit",
            )
    if lifetime_s is not None and lifetime_s > LONGEST_LIFE_S:
        raise SpecError(
            Code.BAD_OPTION,
            f"--expires is {lifetime_s / DAY_S:.4g} days",
            why=f"it is at most {LONGEST_LIFE_S / DAY_S:,.0f} days",
            fix="leave --expires out for a key without end",
        )


def limits_words(limits: UseLimits) -> str:
    """For people; nothing without limits."""
    given = (
        (limits.requests_per_min, "{:,} requests/min"),
        (limits.tokens_per_min, "{:,} tokens/min"),
        (limits.concurrency, "{:,} at once"),
        (limits.budget_usd_per_month, "{:,g} USD/month"),
    )
    return ", ".join(text.format(value) for value, text in given if value is not None)


def limits_document(limits: UseLimits) -> dict[str, object]:
    """As JSON."""
    return {
        "requests_per_min": limits.requests_per_min,
        "tokens_per_min": limits.tokens_per_min,
        "concurrency": limits.concurrency,
        "budget_usd_per_month": limits.budget_usd_per_month,
    }
