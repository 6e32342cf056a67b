"""Who may ask the gateway: the one place where keys come into its table."""

from ipaddress import ip_address
from typing import Final

from paceline.app.keys import key_rules
from paceline.app.wiring import Workshop
from paceline.deploy.table import Guard
from paceline.errors import SetupError

_LOCAL_NAME: Final = "localhost"


class Gatekeeper:
    """The keys as last read; they stay in force while the store is away."""

    def __init__(self, shop: Workshop, *, keys_required: bool) -> None:
        self._shop = shop
        self._required = keys_required
        self._guard = Guard(required=keys_required)

    def guard(self) -> Guard:
        """What the table says about keys now."""
        try:
            keys = key_rules(self._shop.store.access, self._shop.clock)
        except SetupError:  # the journal tells the operator
            return self._guard
        self._guard = Guard(keys=keys, required=self._required)
        return self._guard


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == _LOCAL_NAME:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
