"""What one request of the account cost."""

from dataclasses import replace

import pytest

from paceline.app.serving.prices import UnitPrices
from paceline.records.gateway import Ended, UsageLine


def a_line(*, output_tokens: int = 0, images: int = 0) -> UsageLine:
    return UsageLine(
        request_id="r",
        at_s=0.0,
        workspace="default",
        endpoint="e",
        version=1,
        replica_id="x",
        key_id=None,
        route="/v1/images/generations",
        status=200,
        ended=Ended.OK,
        output_tokens=output_tokens,
        images=images,
    )


def test_pictures_and_tokens_have_their_own_prices() -> None:
    prices = UnitPrices(usd_per_mtok=2.0, usd_per_image=0.003)
    assert prices.usd(a_line(images=4)) == pytest.approx(0.012)
    assert prices.usd(a_line(output_tokens=500_000)) == pytest.approx(1.0)


def test_texts_to_embed_cost_what_is_read_of_them() -> None:
    prices = UnitPrices(usd_per_mtok=2.0, usd_per_mtok_embedded=0.1)
    chat = replace(a_line(output_tokens=500_000), input_tokens=2_000_000)
    assert prices.usd(chat) == pytest.approx(1.0)
    embedded = replace(chat, route="/v1/embeddings", output_tokens=0)
    assert prices.usd(embedded) == pytest.approx(0.2)


def test_what_has_no_price_costs_nothing() -> None:
    assert UnitPrices().usd(a_line(output_tokens=9, images=9)) == 0.0


def test_the_price_is_said_of_what_is_sold() -> None:
    assert UnitPrices(usd_per_image=0.00025312).text == "$0.000253 per image, as it was measured"
    tokens = UnitPrices(usd_per_mtok=0.2444).text
    assert tokens == "$0.244 per million output tokens, as it was measured"
    assert UnitPrices().text is None
