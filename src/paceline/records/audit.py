"""Who did what when: the kinds of `records.run.AuditEvent`, and who can have done it.

An event says what was changed and never holds what opens anything: a key is its id.
"""

from enum import StrEnum
from typing import Final

LOCAL: Final = "local"
"""A command on this machine: who can write the data folder needs no key."""
SERVE: Final = "serve"
"""`paceline serve` itself, which decides on canaries."""


class AuditKind(StrEnum):
    """What was done; `subject` is the endpoint, key or workspace that it was done to."""

    DEPLOYED = "deployed"
    UNDEPLOYED = "undeployed"
    POLICY_CHANGED = "policy-changed"
    ROLLED_BACK = "rolled-back"
    CANARY_PROMOTED = "canary-promoted"
    CANARY_ROLLED_BACK = "canary-rolled-back"
    KEY_CREATED = "key-created"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"
    LIMITS_CHANGED = "limits-changed"
    QUOTA_CHANGED = "quota-changed"
