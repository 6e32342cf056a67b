"""Who may ask the gateway: the one place where keys and workspaces come into its table."""

from ipaddress import ip_address
from typing import Final

from paceline.app.keys import key_rules
from paceline.app.limits import Spent, spent_this_month
from paceline.app.wiring import Workshop
from paceline.app.workspaces import workspace_rules
from paceline.deploy.table import Guard
from paceline.errors import SetupError
from paceline.records.access import ApiKey

_LOCAL_NAME: Final = "localhost"
SUM_EVERY_S: Final = 5.0
"""How often a month's cost is summed up; in between the gateway counts for itself."""


class Gatekeeper:
    """The keys as last read; they stay in force while the store is away."""

    def __init__(self, shop: Workshop, *, keys_required: bool) -> None:
        self._shop = shop
        self._required = keys_required
        self._guard = Guard(required=keys_required)
        self._spent = Spent()
        self._summed_s: float | None = None
        self.keys: tuple[ApiKey, ...] = ()
        """Of both purposes, as last read."""

    def guard(self) -> Guard:
        """What the table says about keys, as last read."""
        return self._guard

    def read(self) -> None:
        """Look keys and workspaces up; called by the thread that talks to the store."""
        access = self._shop.store.access
        try:
            self.keys = access.stored_keys()
            self._sum_up()
            self._guard = Guard(
                keys=key_rules(access, self._spent),
                workspaces=workspace_rules(access, self._spent),
                required=self._required,
            )
        except SetupError:  # the journal tells the operator
            return

    def _sum_up(self) -> None:
        now_s = self._shop.clock.monotonic_s()
        if self._summed_s is None or now_s - self._summed_s >= SUM_EVERY_S:
            self._spent = spent_this_month(self._shop.store.access, self._shop.clock)
            self._summed_s = now_s


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == _LOCAL_NAME:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
