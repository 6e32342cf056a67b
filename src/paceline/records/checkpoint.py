"""Checkpoints that are found on a hub or made here."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Text that a quantizer watches the model read, to see which weights matter.

    `name` says where it came from. The order counts, so it is part of the identity.
    """

    name: str
    texts: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Identity of the content; texts end in a byte that UTF-8 never has."""
        return hashlib.sha256(b"".join(t.encode() + b"\xff" for t in self.texts)).hexdigest()
