"""Keys: made and shown once, kept as digests, rotated with a grace time, revoked at once."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from paceline.app.audit import a_note, differences
from paceline.app.limits import Spent, budget_left_usd, check_limits
from paceline.app.workspaces import check_workspace_name
from paceline.clock import Clock
from paceline.errors import Code, SpecError
from paceline.ports.access import Access
from paceline.records.access import ApiKey, Purpose, UseLimits
from paceline.records.audit import LOCAL, AuditKind
from paceline.records.gateway import KeyRule

PREFIXES: Final = {Purpose.INFERENCE: "pl_live_", Purpose.ADMIN: "pl_admin_"}
SECRET_BYTES: Final = 32
ID_BYTES: Final = 5
KEY: Final = re.compile(r"pl_(live|admin)_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made. `secret` is what its holder sends; it is nowhere else and never again."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrder:
    """What a new key shall be; `lifetime_s` `None` is without end."""

    name: str
    purpose: Purpose = Purpose.INFERENCE
    workspace: str = "default"
    endpoints: tuple[str, ...] | None = None
    limits: UseLimits = field(default_factory=UseLimits)
    lifetime_s: float | None = None


def create_key(order: KeyOrder, access: Access, clock: Clock, *, actor: str = LOCAL) -> NewKey:
    """Make and store a key. Raises SpecError for a limit that lets nothing through."""
    _check(order)
    new = _made(order, clock, replaces=None)
    note = a_note(
        AuditKind.KEY_CREATED,
        f"{order.name!r}, {_words(order)}",
        actor=actor,
        subject=new.key.key_id,
        clock=clock,
    )
    access.add_key(new.key, notes=[note])
    return new


def rotate_key(
    key_id: str, access: Access, clock: Clock, *, grace_s: float, actor: str = LOCAL
) -> NewKey:
    """A new key with the rules of an old one, which goes on for `grace_s`.

    Raises SpecError for a key that is not there or opens nothing any more.
    """
    old = find_key(key_id, access)
    now = clock.utc_now()
    if not old.valid_at(_text(now)):
        ended = old.revoked_at_utc or old.expires_at_utc
        raise SpecError(
            Code.UNKNOWN_NAME,
            f"the key {key_id!r} cannot be rotated",
            why=f"it ended at {ended}",
            fix=f"paceline keys create {old.name!r}",
        )
    order = KeyOrder(
        name=old.name,
        purpose=old.purpose,
        workspace=old.workspace,
        endpoints=old.endpoints,
        limits=old.limits,
        lifetime_s=None
        if old.expires_at_utc is None
        else (datetime.fromisoformat(old.expires_at_utc) - now).total_seconds(),
    )
    new = _made(order, clock, replaces=key_id)
    ends = _text(now + timedelta(seconds=grace_s))
    last = ends if old.expires_at_utc is None else min(ends, old.expires_at_utc)
    detail = f"{old.name!r}: {new.key.key_id} takes its place, it goes on until {last}"
    note = a_note(AuditKind.KEY_ROTATED, detail, actor=actor, subject=key_id, clock=clock)
    access.add_key(new.key, notes=[note])
    if last == ends:
        access.end_key(key_id, expires_at_utc=ends)
    return new


def revoke_key(key_id: str, access: Access, clock: Clock, *, actor: str = LOCAL) -> ApiKey:
    """From now on the key opens nothing. Raises SpecError when there is none."""
    note = a_note(AuditKind.KEY_REVOKED, "opens nothing", actor=actor, subject=key_id, clock=clock)
    return access.end_key(key_id, revoked_at_utc=_text(clock.utc_now()), notes=[note])


def find_key(key_id: str, access: Access) -> ApiKey:
    """Raises SpecError when there is none."""
    found = next((key for key in access.stored_keys() if key.key_id == key_id), None)
    if found is not None:
        return found
    known = ", ".join(key.key_id for key in access.stored_keys())
    raise SpecError(
        Code.UNKNOWN_NAME,
        f"no key is called {key_id!r}",
        why=f"known: {known}" if known else "no key was made yet",
        fix="paceline keys list",
    )


def key_of(secret: str, purpose: Purpose, access: Access, clock: Clock) -> ApiKey | None:
    """The key that was presented, when it is valid now and made for this purpose.

    Looked up by its SHA-256, so the time it takes says nothing about any stored key.
    """
    if KEY.fullmatch(secret) is None:
        return None
    return key_among(access.stored_keys(), secret, purpose, clock)


def key_among(keys: Iterable[ApiKey], secret: str, purpose: Purpose, clock: Clock) -> ApiKey | None:
    """The same, of keys that were read before."""
    digest, now = digest_of(secret), _text(clock.utc_now())
    by_digest = {key.digest: key for key in keys if key.purpose is purpose}
    key = by_digest.get(digest)
    return key if key is not None and key.valid_at(now) else None


def key_rules(access: Access, spent: Spent) -> tuple[KeyRule, ...]:
    """What the gateway is told: inference keys that are not revoked, and what is left to spend."""
    keys = (key for key in access.stored_keys() if _known_to_the_gateway(key))
    return tuple(_rule(key, spent.by_key.get(key.key_id, 0.0)) for key in keys)


def digest_of(secret: str) -> str:
    """SHA-256 in hex; keys are random, so no salt or slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def shown_state(key: ApiKey, clock: Clock) -> str:
    """`valid`, `expired` or `revoked`."""
    if key.revoked_at_utc is not None:
        return "revoked"
    return "valid" if key.valid_at(_text(clock.utc_now())) else "expired"


def _known_to_the_gateway(key: ApiKey) -> bool:
    return key.purpose is Purpose.INFERENCE and key.revoked_at_utc is None


def _rule(key: ApiKey, spent_usd: float) -> KeyRule:
    limits, ends = key.limits, key.expires_at_utc
    return KeyRule(
        digest=key.digest,
        key_id=key.key_id,
        workspace=key.workspace,
        endpoints=key.endpoints,
        expires_at_s=None if ends is None else datetime.fromisoformat(ends).timestamp(),
        requests_per_min=limits.requests_per_min,
        tokens_per_min=limits.tokens_per_min,
        concurrency=limits.concurrency,
        budget_left_usd=budget_left_usd(limits, spent_usd),
    )


def _made(order: KeyOrder, clock: Clock, *, replaces: str | None) -> NewKey:
    secret = PREFIXES[order.purpose] + secrets.token_hex(SECRET_BYTES)
    now = clock.utc_now()
    ends = None if order.lifetime_s is None else now + timedelta(seconds=order.lifetime_s)
    key = ApiKey(
        key_id=f"key-{secrets.token_hex(ID_BYTES)}",
        name=order.name,
        digest=digest_of(secret),
        purpose=order.purpose,
        workspace=order.workspace,
        created_at_utc=_text(now),
        endpoints=order.endpoints,
        limits=order.limits,
        expires_at_utc=None if ends is None else _text(ends),
        replaces=replaces,
    )
    return NewKey(key=key, secret=secret)


def _words(order: KeyOrder) -> str:
    """What a new key may do, for the audit trail."""
    scope = "every endpoint" if order.endpoints is None else " ".join(order.endpoints)
    parts = [order.purpose.value, f"workspace {order.workspace}"]
    if order.purpose is Purpose.INFERENCE:
        parts.append(scope)
    limits = differences(UseLimits(), order.limits)
    return ", ".join([*parts, *([limits] if limits else [])])


def _check(order: KeyOrder) -> None:
    check_workspace_name(order.workspace)
    check_limits(order.limits, lifetime_s=order.lifetime_s)
    if order.purpose is Purpose.ADMIN and (order.endpoints or order.limits != UseLimits()):
        raise SpecError(
            Code.CONTRADICTION,
            "an admin key with endpoints or limits of requests",
            why="it opens the management API and no endpoint",
            fix="make an inference key for endpoints: leave --admin out",
        )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
