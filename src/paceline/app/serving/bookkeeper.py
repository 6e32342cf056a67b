"""Moves what the gateway wrote of each request from its spool to the account, beside the loop."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from paceline.app.serving.journal import say
from paceline.app.usage import account_spool
from paceline.app.wiring import Workshop
from paceline.deploy.spans import spans_of
from paceline.errors import SetupError
from paceline.ports.traces import TraceSink
from paceline.records.gateway import UsageLine

EVERY_S: Final = 2.0
SPOOL: Final = "gateway"
TOKENS_PER_PRICE: Final = 1e6


class Bookkeeper:
    """A thread of its own: accounting waits for the store, serving does not.

    What was accounted for goes on to `traces` as spans, where somebody wants them.
    """

    def __init__(self, shop: Workshop, folder: Path, traces: TraceSink | None = None) -> None:
        self._traces = traces
        self._access = shop.store.access
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bookkeeper", daemon=True)
        self._usd_per_mtok: Mapping[tuple[str, int], float] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def prices(self, usd_per_mtok: Mapping[tuple[str, int], float]) -> None:
        """From now on: what a million output tokens of an endpoint's version cost, in USD."""
        self._usd_per_mtok = dict(usd_per_mtok)

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
            try:
                account_spool(
                    self._access,
                    self._folder,
                    spool=SPOOL,
                    price=self._price,
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
        usd_per_mtok = self._usd_per_mtok.get((line.endpoint, line.version), 0.0)
        return line.output_tokens * usd_per_mtok / TOKENS_PER_PRICE
