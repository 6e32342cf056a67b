"""Pictures that are fetched by a signed, expiring address instead of coming in the answer."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LIFE_S: Final = 3600
"""As long as OpenAI's."""
_MOST_BYTES: Final = 2**30
_NAME_BYTES: Final = 16


class FileShelf:
    """Keeps files in a folder of its own, at most `most_bytes`; the oldest make room.

    The secret lives as long as the process: addresses do not outlast it, and neither do the files.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        most_bytes: int = _MOST_BYTES,
        folder: Path | None = None,
    ) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._scratch = None if folder else tempfile.TemporaryDirectory(prefix="image_server-")
        self._folder = folder or Path(self._scratch.name if self._scratch else "")
        self._secret = secrets.token_bytes(32)
        self._kept: dict[str, tuple[int, int]] = {}  # name → (expires, size), oldest first

    def put(self, data: bytes) -> str:
        """Keep a file; the path and query of its address."""
        self._make_room(len(data))
        name = f"{secrets.token_hex(_NAME_BYTES)}.png"
        expires_s = int(self._clock()) + LIFE_S
        (self._folder / name).write_bytes(data)
        self._kept[name] = (expires_s, len(data))
        return (
            f"/v1/images/files/{name}?expires={expires_s}&signature={self._sign(name, expires_s)}"
        )

    def get(self, name: str, expires: str, signature: str) -> bytes | None:
        """The file, `None` where the signature is wrong, the time is over, or it made room."""
        if not expires.isascii() or not expires.isdigit() or not signature.isascii():
            return None
        signed = self._sign(name, int(expires[:20]))
        if not hmac.compare_digest(signed, signature) or int(expires[:20]) < self._clock():
            return None
        path = self._folder / name
        return path.read_bytes() if name in self._kept and path.is_file() else None

    def close(self) -> None:
        """Remove everything."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _sign(self, name: str, expires_s: int) -> str:
        text = f"{name}\n{expires_s}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def _make_room(self, wanted: int) -> None:
        total = wanted + sum(size for _, size in self._kept.values())
        for name, (expires_s, size) in tuple(self._kept.items()):
            if expires_s >= self._clock() and total <= self._most_bytes:
                break
            (self._folder / name).unlink(missing_ok=True)
            del self._kept[name]
            total -= size
