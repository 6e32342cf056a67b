"""Moves what the gateway wrote of each request from its spool to the account, beside the loop."""

import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from paceline.app.serving.facts import prices_of
from paceline.app.serving.journal import say
from paceline.app.serving.prices import UnitPrices
from paceline.app.usage import account_spool
from paceline.app.wiring import Workshop
from paceline.deploy.shares import Shares
from paceline.deploy.spans import spans_of
from paceline.errors import SetupError, SpecError
from paceline.ports.traces import TraceSink
from paceline.records.gateway import UsageLine

EVERY_S: Final = 2.0
SPOOL: Final = "gateway"


class Bookkeeper:
    """A thread of its own: accounting waits for the store, serving does not.

    What was accounted for goes on to `traces` as spans, where somebody wants them.
    """

    def __init__(self, shop: Workshop, folder: Path, traces: TraceSink | None = None) -> None:
        self._traces = traces
        self._shop = shop
        self._access = shop.store.access
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bookkeeper", daemon=True)
        self._prices: Mapping[tuple[str, int], UnitPrices] = {}
        self._earlier: dict[tuple[str, int], UnitPrices] = {}
        self._shares = Shares()
        self._deaths_s: queue.SimpleQueue[float] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def prices(self, found: Mapping[tuple[str, int], UnitPrices]) -> None:
        """From now on: what the answers of an endpoint's version cost.

        Those of before stay known: the last lines of what has gone are still to come.
        """
        self._prices = {**self._prices, **found}

    def gateway_died(self, at_s: float) -> None:
        """Nobody will write the ends of what it had in flight then (s since 1970)."""
        self._deaths_s.put(at_s)

    def stop(self) -> None:
        """Account for what is there and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=EVERY_S * 10)
        if self._traces is not None:
            self._traces.close()

    def _run(self) -> None:
        away = False
        while True:
            last = self._stop.wait(EVERY_S)
            while not self._deaths_s.empty():
                self._shares.gateway_died(self._deaths_s.get())
            try:
                account_spool(
                    self._access,
                    self._folder,
                    spool=SPOOL,
                    price=self._price,
                    shares=self._shares,
                    on_lines=self._trace,
                )
                away = False
            except SetupError as error:  # nothing is lost: the spool keeps it
                if not away:
                    say(f"usage waits in the spool: {error.what}: {error.why}")
                away = True
            if last:
                return

    def _trace(self, lines: Sequence[UsageLine]) -> None:
        if self._traces is not None:
            self._traces.take([span for line in lines for span in spans_of(line)])

    def _price(self, line: UsageLine) -> float:
        same = (line.endpoint, line.version)
        price = self._prices.get(same) or self._earlier.get(same)
        if price is None:
            price = self._earlier[same] = self._measured(*same)
        return price.usd(line)

    def _measured(self, endpoint: str, version: int) -> UnitPrices:
        """From the store: of requests that an earlier `paceline serve` left in the spool."""
        found = self._shop.store.deployments.replicas(endpoint=endpoint, version=version, limit=1)
        try:
            return prices_of(found[0].pipeline, version, self._shop) if found else UnitPrices()
        except SpecError:  # its pipeline is not there any more
            return UnitPrices()
