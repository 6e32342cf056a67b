from dataclasses import replace
from pathlib import Path

import orjson

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.places import Places
from paceline.app.serving.bookkeeper import Bookkeeper
from paceline.app.serving.prices import UnitPrices
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.records.measurement import Metric
from paceline.records.metric_names import COST_USD_PER_MTOK
from paceline.records.ranking import Ranked
from paceline.records.run import RunState
from paceline.records.usage import UsageBy
from paceline.testing.access import a_line
from paceline.testing.deployments import a_replica
from paceline.testing.stores import RIVAL, a_result, a_run, a_version


def test_what_an_earlier_one_left_has_the_price_of_its_version(tmp_path: Path) -> None:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    store = vars(shop)["store"] = MemoryStore()
    cost = Metric(value=3.0, unit="usd/mtok", ci95=None, n=1)
    ranked = Ranked(
        variant=RIVAL,
        metrics={COST_USD_PER_MTOK: cost},
        verdicts=(),
        quality=None,
        objective=None,
        trials=1,
        rank=1,
        chips=(),
    )
    store.create_run(a_run())
    with store.write_run(a_run().run_id) as writer:
        writer.move(RunState.PLANNED, RunState.RUNNING)
        ranking = replace(a_result().ranking, ranked=(ranked,))
        writer.finish(replace(a_result(), ranking=ranking))
    store.add_version(a_version(a_run().run_id, pipeline="demo"))
    store.deployments.add_replica(a_replica())
    known = replace(a_line(), output_tokens=1_000_000)
    lines = (known, replace(known, version=9), replace(known, endpoint="never-served"))
    spooled = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    (tmp_path / "usage-0000000000000001.jsonl").write_bytes(spooled)
    bookkeeper = Bookkeeper(shop, tmp_path)
    bookkeeper.start()
    bookkeeper.stop()
    by_version = {one.group: one.usd for one in store.access.usage(by=UsageBy.VERSION)}
    assert by_version == {"demo@1": 3.0, "demo@9": 0.0, "never-served@1": 0.0}


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
