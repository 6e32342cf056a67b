"""Requests and the rest are the life of a replica, with its devices and its price."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.accelerator_time import DeviceTime, device_times
from paceline.app.places import Places
from paceline.app.serving.lock import LOCK, beat, serving_alone
from paceline.app.usage_report import usage_document, used
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.records.deployment import ReplicaRecord, ReplicaState
from paceline.records.usage import PricedLine, SpoolPosition, UsageBy
from paceline.testing.access import a_line
from paceline.testing.deployments import a_replica


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    vars(shop)["store"] = MemoryStore()
    return shop


def lived(shop: Workshop, replica_id: str, lived_s: float, **more: object) -> ReplicaRecord:
    """A replica that ended now."""
    now = shop.clock.utc_now()
    replica = replace(
        a_replica(replica_id),
        state=ReplicaState.ENDED,
        launched_at_utc=(now - timedelta(seconds=lived_s)).isoformat(),
        ended_at_utc=now.isoformat(),
        **more,  # type: ignore[arg-type]  # its own fields
    )
    shop.store.deployments.add_replica(replica)
    return replica


def account(shop: Workshop, *shares: tuple[str, str, float]) -> None:
    """Requests that ended now: key, replica and share."""
    now_s = shop.clock.utc_now().timestamp()
    lines = [
        PricedLine(
            line=replace(a_line(str(n), key_id=key_id), replica_id=replica_id, at_s=now_s),
            usd=0.0,
            replica_s=share,
        )
        for n, (key_id, replica_id, share) in enumerate(shares)
    ]
    shop.store.access.account("g", lines, SpoolPosition())


def test_requests_and_the_rest_are_devices_times_life(shop: Workshop) -> None:
    lived(shop, "r1", 100.0, accelerator="h200", device_count=2, usd_per_hour=7.2)
    account(shop, ("k1", "r1", 10.0), ("k2", "r1", 30.0))
    (time,) = device_times(shop, by=UsageBy.VERSION, since_s=0.0)["demo@1"]
    assert (time.accelerator, time.unit) == ("h200", "accelerator-seconds")
    assert time.requests_s == 80.0
    assert time.rest_s == pytest.approx(120.0)
    assert time.requests_usd == pytest.approx(0.08), "40 s of 7.2 USD an hour"
    assert time.rest_usd == pytest.approx(0.12)


def test_a_key_has_its_requests_and_no_rest(shop: Workshop) -> None:
    lived(shop, "r1", 100.0)
    lived(shop, "r2", 50.0, accelerator="h200", usd_per_hour=3.6)
    account(shop, ("k1", "r1", 10.0), ("k1", "r2", 20.0), ("k2", "r2", 5.0))
    on_cpu, on_h200 = device_times(shop, by=UsageBy.KEY, since_s=0.0)["k1"]
    assert on_cpu == DeviceTime(accelerator="cpu", requests_s=10.0, requests_usd=None)
    assert (on_h200.accelerator, on_h200.requests_s, on_h200.rest_s) == ("h200", 20.0, None)
    assert on_h200.requests_usd == pytest.approx(0.02)


def test_what_only_idled_is_shown(shop: Workshop) -> None:
    lived(shop, "r1", 100.0)
    (found,) = used(shop, by=UsageBy.ENDPOINT, since_s=0.0)
    document = usage_document(found)
    assert document["accelerators"] == [
        {
            "accelerator": "cpu",
            "unit": "replica-seconds",
            "requests": 0.0,
            "requests_usd": 0.0,
            "rest": 100.0,
            "rest_usd": None,
        }
    ]
    assert found.total.requests == 0


def test_of_a_period_only_the_life_in_it_counts(shop: Workshop) -> None:
    lived(shop, "r1", 100.0)
    now_s = shop.clock.utc_now().timestamp()
    (time,) = device_times(shop, by=UsageBy.ENDPOINT, since_s=now_s - 30.0)["demo"]
    assert time.rest_s == pytest.approx(30.0)
    assert device_times(shop, by=UsageBy.ENDPOINT, since_s=now_s) == {}


def test_an_end_on_record_is_the_end_whoever_served_until_when(shop: Workshop) -> None:
    data = shop.places.data
    with serving_alone(data):
        beat(data)
    os.utime(data / LOCK, (0, 0))
    lived(shop, "r1", 100.0)
    (time,) = device_times(shop, by=UsageBy.ENDPOINT, since_s=0.0)["demo"]
    assert time.rest_s == pytest.approx(100.0)


def test_a_replica_lives_on_only_while_somebody_serves(shop: Workshop) -> None:
    data = shop.places.data
    now = datetime.now(UTC)
    with serving_alone(data):
        beat(data)
        launched = (now - timedelta(seconds=60)).isoformat()
        running = replace(a_replica(), state=ReplicaState.SERVING, launched_at_utc=launched)
        shop.store.deployments.add_replica(running)
        shop.clock.sleep(max((now - shop.clock.utc_now()).total_seconds(), 0.0) + 3600.0)
        (served,) = device_times(shop, by=UsageBy.ENDPOINT, since_s=0.0)["demo"]
    (killed,) = device_times(shop, by=UsageBy.ENDPOINT, since_s=0.0)["demo"]
    assert served.rest_s is not None and killed.rest_s is not None
    assert served.rest_s >= 3600.0
    assert killed.rest_s < 3600.0, "it ended with the last sign of life"
