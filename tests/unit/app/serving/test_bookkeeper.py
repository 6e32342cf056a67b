from dataclasses import replace
from pathlib import Path

import orjson

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.places import Places
from paceline.app.serving.bookkeeper import Bookkeeper
from paceline.app.serving.prices import UnitPrices
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.records.usage import UsageBy
from paceline.testing.access import a_line


def test_the_last_requests_of_an_endpoint_that_is_gone_have_its_price(tmp_path: Path) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    vars(shop)["store"] = MemoryStore()
    line = replace(a_line(), output_tokens=1_000_000)
    bookkeeper = Bookkeeper(shop, tmp_path)
    bookkeeper.prices({(line.endpoint, line.version): UnitPrices(usd_per_mtok=3.0)})
    bookkeeper.prices({})  # the fleet has gone
    (tmp_path / "usage-0000000000000001.jsonl").write_bytes(orjson.dumps(line) + b"\n")
    bookkeeper.start()
    bookkeeper.stop()
    (total,) = shop.store.access.usage(by=UsageBy.ENDPOINT)
    assert total.usd == 3.0
