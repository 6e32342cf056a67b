"""What a key has left: requests and tokens per minute, concurrency, money. Pure but for its state.

The keys of a workspace with limits share a meter besides; a request must pass both. It reserves
at its start what it may cost and is settled at its end with what it did cost. Buckets hold one
minute's worth and fill evenly. A bucket may go below zero at the settlement; it must fill up again
before the next request.
"""

from typing import Final, Generic, TypeVar

from paceline.deploy.gateway.problems import Problem
from paceline.records.gateway import KeyRule, WorkspaceRule

S_PER_MIN: Final = 60.0
MS_PER_MIN: Final = 60_000.0
CONCURRENCY_RETRY_S: Final = 1.0
"""Nothing says when another request of the key will end."""


R = TypeVar("R", KeyRule, WorkspaceRule)


class Reservation:
    """What a request may cost, as far as that is known before. Made once per request."""

    __slots__ = ("tokens", "usd")

    def __init__(self, tokens: float, usd: float) -> None:
        self.tokens = tokens
        self.usd = usd


NOTHING: Final = Reservation(tokens=0.0, usd=0.0)


class Bucket:
    """`per_min` units a minute. Times are any seconds that rise."""

    __slots__ = ("_at_s", "_full", "_per_s", "level", "lines", "per_min")

    def __init__(self, per_min: int, now_s: float) -> None:
        self.per_min = per_min
        self._per_s = per_min / S_PER_MIN
        self.lines: tuple[bytes, bytes] | None = None
        self.level = self._full = float(per_min)
        self._at_s = now_s

    def lacks(self, now_s: float, units: float) -> bool:
        """Whether there is less than that, or than a full bucket, now that time has passed."""
        past_s, self._at_s = now_s - self._at_s, now_s
        level, full = self.level, self._full
        if past_s > 0:
            level += past_s * self._per_s
            self.level = level = level if level < full else full
        return level < units and level < full

    def wait_s(self, units: float) -> float:
        """Until there is as much; a request larger than the bucket waits for a full one."""
        missing = min(units, self.per_min) - self.level
        return max(missing, 0.0) * S_PER_MIN / self.per_min if self.per_min else S_PER_MIN

    def change(self, per_min: int) -> None:
        """Another limit from now on; what was used stays used."""
        self.lines = None
        self._per_s, self._full = per_min / S_PER_MIN, float(per_min)
        self.level = min(self.level + per_min - self.per_min, self._full)
        self.per_min = per_min


class Meter(Generic[R]):
    """The counts of one rule. It outlives the tables that bring its rule."""

    __slots__ = (
        "_budget_left_usd",
        "_concurrency",
        "_reserved_usd",
        "_unaccounted_usd",
        "in_flight",
        "requests",
        "rule",
        "tokens",
    )
    whose = "key"

    def __init__(self, rule: R, now_s: float) -> None:
        self.rule: R = rule
        self._budget_left_usd = rule.budget_left_usd
        self._concurrency = rule.concurrency
        self.in_flight = 0
        self.requests = _bucket(None, rule.requests_per_min, now_s)
        self.tokens = _bucket(None, rule.tokens_per_min, now_s)
        self._unaccounted_usd = 0.0
        self._reserved_usd = 0.0

    def follow(self, rule: R, now_s: float) -> None:
        """A new table. What its budget already counts is no longer ours to count."""
        before, after = self._budget_left_usd, rule.budget_left_usd
        if before is None or after is None or after > before:
            self._unaccounted_usd = 0.0
        else:
            self._unaccounted_usd = max(self._unaccounted_usd - (before - after), 0.0)
        self.rule = rule
        self._budget_left_usd, self._concurrency = after, rule.concurrency
        self.requests = _bucket(self.requests, rule.requests_per_min, now_s)
        self.tokens = _bucket(self.tokens, rule.tokens_per_min, now_s)

    def lacks(self, now_s: float, wanted: Reservation) -> Problem | None:
        """What stands against the request; nothing is taken."""
        budget_left_usd, concurrency = self._budget_left_usd, self._concurrency
        if budget_left_usd is not None:
            spent_usd = self._unaccounted_usd + self._reserved_usd + wanted.usd
            if budget_left_usd <= 0 or spent_usd > budget_left_usd:
                left_usd = max(budget_left_usd - self._unaccounted_usd, 0.0)
                return _budget_spent(self.whose, left_usd)
        if concurrency is not None and self.in_flight >= concurrency:
            return _too_many_at_once(self.whose, self.in_flight, concurrency)
        requests, tokens = self.requests, self.tokens
        if requests is not None and requests.lacks(now_s, 1.0):
            return _too_many(self.whose, "requests", requests, requests.wait_s(1.0))
        if tokens is not None and tokens.lacks(now_s, wanted.tokens):
            return _too_many(self.whose, "tokens", tokens, tokens.wait_s(wanted.tokens))
        return None

    @property
    def limits_more_than_requests(self) -> bool:
        """Tokens or money."""
        return self.tokens is not None or self._budget_left_usd is not None

    def take(self, wanted: Reservation) -> None:
        """The request's share of everything."""
        if self.tokens is not None:
            self.tokens.level -= wanted.tokens
        if self.requests is not None:
            self.requests.level -= 1.0
        self._reserved_usd += wanted.usd
        self.in_flight += 1

    def give_back(self, reserved: Reservation, tokens: int, usd: float) -> None:
        """A request has ended that reserved so much and cost this."""
        self.in_flight -= 1
        left_usd = self._reserved_usd - reserved.usd
        self._reserved_usd = left_usd if left_usd > 0.0 else 0.0
        self._unaccounted_usd += usd
        if self.tokens is not None:
            self.tokens.level += reserved.tokens - tokens


class WorkspaceMeter(Meter[WorkspaceRule]):
    """What the keys of one workspace have left together."""

    __slots__ = ()
    whose = "workspace"


class KeyMeter(Meter[KeyRule]):
    """One key's counts. `workspace` is its keys' together, `None` until that has a limit."""

    __slots__ = ("workspace",)

    def __init__(self, rule: KeyRule, now_s: float) -> None:
        super().__init__(rule, now_s)
        self.workspace: WorkspaceMeter | None = None

    @property
    def limits_tokens_or_money(self) -> bool:
        """Whether what a request may cost has to be known before."""
        return self.limits_more_than_requests or (
            self.workspace is not None and self.workspace.limits_more_than_requests
        )

    def admit(self, now_s: float, wanted: Reservation) -> Problem | None:
        """Take the request's share of everything, or nothing and say why."""
        shared = self.workspace
        problem = self.lacks(now_s, wanted)
        if problem is None and shared is not None:
            problem = shared.lacks(now_s, wanted)
        if problem is not None:
            return problem
        self.take(wanted)
        if shared is not None:
            shared.take(wanted)
        return None

    def settle(self, reserved: Reservation, *, tokens: int, usd: float) -> None:
        """The request has ended and cost this."""
        self.give_back(reserved, tokens, usd)
        if self.workspace is not None:
            self.workspace.give_back(reserved, tokens, usd)

    def headers(self) -> bytes:
        """`x-ratelimit-*` lines for what is limited; resets in ms to a full bucket.

        Of two limits on the same thing, the one with less left.
        """
        shared = self.workspace
        requests, tokens = self.requests, self.tokens
        if shared is not None:
            requests = _scarcer(requests, shared.requests)
            tokens = _scarcer(tokens, shared.tokens)
        lines = b""
        if requests is not None:
            lines = _lines(b"requests", requests)
        if tokens is not None:
            lines += _lines(b"tokens", tokens)
        return lines


def _scarcer(one: Bucket | None, other: Bucket | None) -> Bucket | None:
    if one is None or other is None:
        return one or other
    return one if one.level <= other.level else other


def _bucket(before: Bucket | None, per_min: int | None, now_s: float) -> Bucket | None:
    if per_min is None:
        return None
    if before is None:
        return Bucket(per_min, now_s)
    before.change(per_min)
    return before


def _lines(name: bytes, bucket: Bucket) -> bytes:
    level, per_min, lines = bucket.level, bucket.per_min, bucket.lines
    if lines is None:  # what stays the same is written once
        lines = bucket.lines = (
            b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: " % (name, per_min, name),
            b"\r\nx-ratelimit-reset-%b: " % name,
        )
    remaining = int(level) if level > 0 else 0  # a float is formatted more slowly
    reset_ms = int((per_min - level) * MS_PER_MIN / per_min if per_min else MS_PER_MIN)
    return b"%b%d%b%dms\r\n" % (lines[0], remaining, lines[1], reset_ms)


def _too_many(whose: str, what: str, bucket: Bucket, wait_s: float) -> Problem:
    return Problem(
        status=429,
        code="rate_limit_exceeded",
        message=(
            f"This {whose} may use {bucket.per_min} {what} per minute and has "
            f"{max(int(bucket.level), 0)} left; there is room again in {wait_s:.1f} s."
        ),
        retry_after_s=wait_s,
    )


def _too_many_at_once(whose: str, now: int, limit: int) -> Problem:
    return Problem(
        status=429,
        code="concurrency_exceeded",
        message=f"This {whose} has {now} requests in flight and may have {limit} at once.",
        retry_after_s=CONCURRENCY_RETRY_S,
    )


def _budget_spent(whose: str, left_usd: float) -> Problem:
    return Problem(
        status=402,
        code="budget_spent",
        message=(
            f"This month's budget of this {whose} has {left_usd:.4f} USD left, less than needed."
        ),
    )
