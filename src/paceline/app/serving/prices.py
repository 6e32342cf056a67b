"""What the answers of a version cost, by what they are made of."""

from dataclasses import dataclass
from typing import Final

from paceline.records.gateway import UsageLine
from paceline.records.load import Route

TOKENS_PER_PRICE: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """What a million output tokens, a picture, and a million tokens of texts to embed cost in USD.

    0 where no price is known. What a chat is asked is in the price of its answer.
    """

    usd_per_mtok: float = 0.0
    usd_per_image: float = 0.0
    usd_per_mtok_embedded: float = 0.0

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
        usd_per_mtok, tokens = self.usd_per_mtok, line.output_tokens
        if line.route == Route.EMBEDDINGS:
            usd_per_mtok, tokens = self.usd_per_mtok_embedded, line.input_tokens
        return tokens * usd_per_mtok / TOKENS_PER_PRICE + line.images * self.usd_per_image
