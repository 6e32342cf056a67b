"""Endpoints over the management API."""

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.keys import KeyOrder, create_key
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.records.access import Purpose
from paceline.records.model import Model
from paceline.records.run import RunRecord
from paceline.testing.builders import a_model, a_request
from paceline.testing.deployments import a_replica
from paceline.testing.stores import a_version
from paceline.web.api import build_api


class OneModel:
    """A hub."""

    def find(self, name: str) -> Model:
        del name
        return a_model()


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """With two versions of the pipeline `small`."""
    shop = Workshop(Places(data=tmp_path, cache=tmp_path), ManualClock())
    store = MemoryStore()
    for run_id in ("r1", "r2"):
        run = RunRecord(
            run_id=run_id,
            request=a_request(),
            model=a_model(),
            software_version="0",
            created_at_utc="",
        )
        store.create_run(run)
        store.add_version(a_version(run_id))
    vars(shop).update(store=store, hub=OneModel())
    return shop


@pytest.fixture
def admin(shop: Workshop) -> TestClient:
    new = create_key(KeyOrder(name="ops", purpose=Purpose.ADMIN), shop.store.access, shop.clock)
    headers = {"authorization": f"Bearer {new.secret}"}
    return TestClient(build_api(shop, metrics=str), headers=headers)


def test_an_endpoint_is_deployed_changed_and_removed_by_a_key(
    admin: TestClient, shop: Workshop
) -> None:
    asked = {"pipeline": "small", "name": "chat", "aliases": ["gpt"], "max_replicas": 7}
    made = admin.post("/api/endpoints", json=asked)
    assert made.status_code == 201, made.text
    assert (made.json()["version"], made.json()["aliases"]) == (2, ["gpt"])
    canary = {"share": 0.05, "requests": 9}
    changed = admin.post(
        "/api/endpoints",
        json={"pipeline": "small", "name": "chat", "version": 1, "canary": canary},
    ).json()
    assert (changed["version"], changed["aliases"], changed["revision"]) == (1, ["gpt"], 2)
    assert changed["canary"] == {"share": 0.05, "at_least_s": 300.0, "requests": 9}
    assert changed["policy"]["bounds"]["max_replicas"] == 7
    shop.store.deployments.add_replica(replace(a_replica(), endpoint="chat"))
    shown = admin.get("/api/endpoints/chat").json()
    assert {**shown, "replica_list": None} == {**changed, "replica_list": None}
    assert [one["state"] for one in shown["replica_list"]] == ["queued"]
    assert admin.get("/api/endpoints/none").status_code == 404
    assert admin.delete("/api/endpoints/chat").status_code == 200
    assert admin.delete("/api/endpoints/chat").status_code == 404
    log = admin.get("/api/endpoints/chat/log").json()["log"]
    assert [line["kind"] for line in log] == ["deploy"] * 3
    (key,) = shop.store.access.stored_keys()
    events = admin.get("/api/audit", params={"actor": key.key_id}).json()["events"]
    assert [event["kind"] for event in events] == [
        "deployed",
        "policy-changed",
        "deployed",
        "undeployed",
    ]
    assert {event["subject"] for event in events} == {"chat"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"pipeline": "large"}, 404),
        ({"pipeline": "small", "name": "No Name"}, 400),
        ({"pipeline": "small", "aliases": ["small"]}, 400),
        ({"pipeline": "small", "min_replicas": 9}, 400),
        ({"pipeline": "small", "max_replicas": 0}, 422),
        ({"pipeline": "small", "answer_timeout_s": 0}, 422),
        ({"pipeline": "small", "canary": {"share": 1.0}}, 422),
        ({"pipeline": "small", "colour": "red"}, 422),
    ],
)
def test_what_cannot_be_wanted_is_refused(
    admin: TestClient, shop: Workshop, body: dict[str, object], status: int
) -> None:
    assert admin.post("/api/endpoints", json=body).status_code == status
    assert shop.store.deployments.endpoints() == ()
