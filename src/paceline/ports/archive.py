"""The Archive port: raw data kept by the hash of its content."""

from typing import Protocol

from paceline.records.trial import BlobRef


class Archive(Protocol):
    """Where samples and receipts lie."""

    def keep(self, data: bytes, *, suffix: str) -> BlobRef:
        """Store once, atomically; the same bytes give the same reference."""
        ...

    def read(self, ref: BlobRef) -> bytes:
        """The bytes. Raises SetupError when they are gone or are not what the hash says."""
        ...
