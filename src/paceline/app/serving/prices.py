"""What the answers of a version cost, by what they are made of."""

from dataclasses import dataclass
from typing import Final

from paceline.records.gateway import UsageLine

TOKENS_PER_PRICE: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """What a million output tokens, and a picture, cost in USD; 0 where no price is known."""

    usd_per_mtok: float = 0.0
    usd_per_image: float = 0.0

    @property
    def text(self) -> str | None:
        """For people; `None` without a price."""
        if self.usd_per_image:
            return f"${self.usd_per_image:.3g} per image, as it was measured"
        if self.usd_per_mtok:
            return f"${self.usd_per_mtok:.3g} per million output tokens, as it was measured"
        return None

    def usd(self, line: UsageLine) -> float:
        """What one request cost."""
        tokens = line.output_tokens * self.usd_per_mtok / TOKENS_PER_PRICE
        return tokens + line.images * self.usd_per_image
