"""Fetches `/metrics` beside an OpenAI route, over one connection that stays open."""

import http.client
import time
from typing import Final
from urllib.parse import SplitResult, urlsplit

from paceline.adapters.telemetry.prometheus.names import Dialect
from paceline.adapters.telemetry.prometheus.normalise import dialect_of, snapshot_of
from paceline.records.load import Target
from paceline.records.telemetry import Snapshot, TelemetryGap

NAME: Final = "prometheus"
TIMEOUT_S: Final = 2.0
HTTP_OK: Final = 200


class Prometheus:
    """Metrics of the engine behind an endpoint."""

    @property
    def name(self) -> str:
        return NAME

    def open(self, target: Target) -> "PageReader | TelemetryGap":
        url = urlsplit(target.base_url if "://" in target.base_url else f"http://{target.base_url}")
        tried = []
        for path in _paths(url):
            fetcher = Fetcher(url, path, api_key=target.api_key)
            page = fetcher.fetch()
            dialect = None if isinstance(page, TelemetryGap) else dialect_of(page)
            if dialect is not None:
                return PageReader(fetcher, dialect)
            fetcher.close()
            why = page.because if isinstance(page, TelemetryGap) else "no engine known here"
            tried.append(f"{path}: {why}")
        return TelemetryGap(source=NAME, because="; ".join(tried))


class PageReader:
    """Reads one engine's page again and again."""

    def __init__(self, fetcher: "Fetcher", dialect: Dialect) -> None:
        self._fetcher = fetcher
        self._dialect = dialect

    @property
    def subject(self) -> str:
        return self._dialect.engine

    def read(self) -> Snapshot | TelemetryGap:
        before_s = time.monotonic()
        page = self._fetcher.fetch()
        if isinstance(page, TelemetryGap):
            return page
        # The page is made somewhere between asking and having it.
        return snapshot_of(page, self._dialect, at_s=(before_s + time.monotonic()) / 2)

    def close(self) -> None:
        self._fetcher.close()


class Fetcher:
    """GET of one path; a server that closed the connection is asked once more."""

    def __init__(self, url: SplitResult, path: str, *, api_key: str | None) -> None:
        secure = url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(url.netloc.rpartition("@")[2], timeout=TIMEOUT_S)
        self._path = path
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def fetch(self) -> str | TelemetryGap:
        """The page as text."""
        try:
            return self._answer()
        except (OSError, http.client.HTTPException):
            self._connection.close()
        try:
            return self._answer()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return TelemetryGap(source=NAME, because=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        self._connection.close()

    def _answer(self) -> str | TelemetryGap:
        self._connection.request("GET", self._path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != HTTP_OK:
            return TelemetryGap(source=NAME, because=f"HTTP {answer.status}")
        return body.decode("utf-8", errors="replace")


def _paths(url: SplitResult) -> list[str]:
    """Beside the API's prefix first, then at the root of the host."""
    prefix = url.path.rstrip("/").removesuffix("/v1")
    return list(dict.fromkeys([f"{prefix}/metrics", "/metrics"]))
