from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from paceline.adapters.stores.memory import MemoryStore
from paceline.app.keys import KeyOrder, create_key
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.clock import ManualClock
from paceline.errors import Code, SetupError
from paceline.records.access import Purpose
from paceline.records.usage import PricedLine, SpoolPosition
from paceline.testing.access import a_line
from paceline.testing.stores import a_version
from paceline.web.api import build_api


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    places = Places(data=tmp_path, cache=tmp_path / "cache")
    shop = Workshop(places, ManualClock())
    vars(shop)["store"] = MemoryStore()
    return shop


@pytest.fixture
def anybody(shop: Workshop) -> TestClient:
    return TestClient(build_api(shop, metrics=lambda: "paceline_up 1\n"))


@pytest.fixture
def admin(shop: Workshop, anybody: TestClient) -> TestClient:
    order = KeyOrder(name="ops", purpose=Purpose.ADMIN)
    secret = create_key(order, shop.store.access, shop.clock).secret
    anybody.headers["authorization"] = f"Bearer {secret}"
    return anybody


def routes(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(verb, path) for path, verbs in paths.items() for verb in verbs]


def test_without_an_admin_key_nothing_is_told(shop: Workshop, anybody: TestClient) -> None:
    secret = create_key(KeyOrder(name="app"), shop.store.access, shop.clock).secret
    closed = [route for route in routes(anybody) if route[1] != "/healthz"]
    assert len(closed) >= 10
    for presented in ({}, {"authorization": f"Bearer {secret}"}, {"authorization": "Basic eA=="}):
        for verb, path in closed:
            answer = anybody.request(verb, path, headers=presented)
            assert answer.status_code == 401, (verb, path)
            assert "paceline keys create" in answer.json()["error"]["message"]


def test_state_and_documentation_are_open(anybody: TestClient) -> None:
    assert anybody.get("/healthz").json()["status"] == "ok"
    page = anybody.get("/docs").text
    assert all(path in page for _, path in routes(anybody))
    assert "https://" not in page  # works offline


def test_metrics_are_what_was_given(admin: TestClient) -> None:
    answer = admin.get("/metrics")
    assert answer.text == "paceline_up 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_a_key_lives_and_ends(admin: TestClient) -> None:
    made = admin.post("/api/keys", json={"name": "app", "requests_per_min": 5})
    assert made.status_code == 201
    assert made.json()["key"].startswith("pl_live_")
    key_id = made.json()["key_id"]
    assert admin.post(f"/api/keys/{key_id}/rotate", json={"grace_s": 60}).status_code == 201
    assert admin.delete(f"/api/keys/{key_id}").json()["revoked_at_utc"]
    listed = {key["key_id"]: key for key in admin.get("/api/keys").json()["keys"]}
    assert listed[key_id]["state"] == "revoked"
    assert not any("digest" in key for key in listed.values())


def test_what_an_admin_does_is_noted_with_the_key_and_without_a_secret(
    admin: TestClient, shop: Workshop
) -> None:
    for run_id in ("a", "b"):
        shop.store.add_version(a_version(run_id))
    (own,) = shop.store.access.stored_keys()
    made = admin.post("/api/keys", json={"name": "app", "requests_per_min": 5}).json()
    rotated = admin.post(f"/api/keys/{made['key_id']}/rotate", json={}).json()
    admin.delete(f"/api/keys/{made['key_id']}")
    admin.put("/api/workspaces/team-a", json={"concurrency": 3})
    admin.put("/api/workspaces/team-a", json={"concurrency": 3})
    admin.post("/api/pipelines/small/rollback", json={"number": 1})
    answer = admin.get("/api/audit", params={"actor": own.key_id})
    events = answer.json()["events"]
    assert [(event["kind"], event["subject"]) for event in events] == [
        ("key-created", made["key_id"]),
        ("key-rotated", made["key_id"]),
        ("key-revoked", made["key_id"]),
        ("limits-changed", "team-a"),
        ("rolled-back", "small"),
    ]
    assert events[3]["detail"] == "concurrency none -> 3"
    for key in shop.store.access.stored_keys():
        assert key.digest not in answer.text
    assert not {made["key"], rotated["key"]} & set(answer.text.split('"'))
    (by_command,) = admin.get("/api/audit", params={"actor": "local"}).json()["events"]
    assert by_command["subject"] == own.key_id, "the key that the fixture made"
    assert admin.get("/api/audit", params={"kind": "deployed"}).json()["events"] == []
    assert admin.get("/api/audit", params={"since": "soon"}).status_code == 400


def test_versions_and_rollback(admin: TestClient, shop: Workshop) -> None:
    for run_id in ("a", "b"):
        shop.store.add_version(a_version(run_id))
    [pipeline] = admin.get("/api/pipelines").json()["pipelines"]
    assert (pipeline["current"], pipeline["versions"]) == (2, 2)
    name = pipeline["name"]
    assert len(admin.get(f"/api/pipelines/{name}/versions").json()["versions"]) == 2
    back = admin.post(f"/api/pipelines/{name}/rollback", json={"number": 1})
    assert back.json()["version"]["number"] == 1
    assert admin.get("/api/pipelines").json()["pipelines"][0]["current"] == 1


def test_usage_is_summed(admin: TestClient, shop: Workshop) -> None:
    shop.store.access.account("g", [PricedLine(line=a_line(), usd=0.5)], SpoolPosition())
    found = admin.get("/api/usage", params={"by": "key", "last_s": 1e10}).json()
    assert [(row["group"], row["usd"]) for row in found["usage"]] == [("k1", 0.5)]


@pytest.mark.parametrize(
    ("route", "body", "status", "said"),
    [
        ("get /api/runs/none", None, 404, "'none' [unknown-name]"),
        ("get /api/pipelines/none/versions", None, 404, "'none' [unknown-name]"),
        ("get /api/nothing", None, 404, "Not Found"),
        ("delete /api/keys/none", None, 404, "no key is called 'none'"),
        ("post /api/keys", {"name": "x", "concurrency": 0}, 400, "--concurrency is 0"),
        ("post /api/keys", {"name": "x", "colour": "red"}, 422, "colour"),
        ("post /api/keys", {"name": "x", "endpoints": []}, 422, "endpoints"),
        ("get /api/usage?by=colour", None, 422, "by"),
    ],
)
def test_what_is_wrong_is_told_in_one_shape(
    admin: TestClient, route: str, body: dict[str, object] | None, status: int, said: str
) -> None:
    verb, path = route.split()
    answer = admin.request(verb, path, json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


def test_a_workspace_gets_limits(admin: TestClient) -> None:
    limits = {"requests_per_min": 60, "budget_usd_per_month": 2.5}
    assert admin.put("/api/workspaces/team-a", json=limits).json()["limits"] == {
        **limits,
        "tokens_per_min": None,
        "concurrency": None,
    }
    [shown, other] = admin.get("/api/workspaces").json()["workspaces"]
    assert (other["name"], other["requests_per_min"], other["keys"]) == ("team-a", 60, 0)
    assert (shown["name"], shown["keys"]) == ("default", 1), "the admin key's"
    refused = admin.put("/api/workspaces/team-a", json={"concurrency": 0})
    assert refused.status_code == 400
    assert "--concurrency is 0" in refused.json()["error"]["message"]


def test_a_workspace_gets_a_quota(admin: TestClient, shop: Workshop) -> None:
    wanted = {"runs_per_month": 3, "overage": True, "formats": ["int8"]}
    answer = admin.put("/api/workspaces/team-a/quota", json=wanted)
    assert answer.json()["quota"] == {**wanted, "concurrent_runs": None, "accelerators": None}
    [_, shown] = admin.get("/api/workspaces").json()["workspaces"]
    assert shown["quota"] == answer.json()["quota"]
    assert shown["runs"] == {"this_month": 0, "over_quota": 0, "running": 0}
    (noted,) = admin.get("/api/audit", params={"kind": "quota-changed"}).json()["events"]
    assert noted["actor"] != "local" and "formats none -> int8" in noted["detail"]
    assert admin.put("/api/workspaces/team-a/quota", json={"runs_per_month": -1}).status_code == 400


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_needs_no_content_type(admin: TestClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    made = admin.post("/api/keys", content=b'{"name": "app"}', headers=headers)
    assert made.status_code == 201, made.text


def test_while_the_store_is_away_it_says_so(
    admin: TestClient, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(**_: object) -> None:
        raise SetupError(Code.STORE_UNUSABLE, "no database", why="it is locked", fix="wait")

    monkeypatch.setattr(shop.store.access, "stored_keys", locked)
    for path in ("/api/keys", "/metrics"):
        answer = admin.get(path)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == Code.STORE_UNUSABLE.value


def test_a_known_admin_has_metrics_while_the_store_is_away(
    admin: TestClient, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = shop.store.access.stored_keys()
    api = build_api(shop, metrics=lambda: "paceline_up 1\n", known_keys=lambda: known)
    served = TestClient(api, headers=dict(admin.headers))

    def away(**_: object) -> None:
        raise SetupError(Code.STORE_UNUSABLE, "no database", why="it is locked", fix="wait")

    monkeypatch.setattr(shop.store.access, "stored_keys", away)
    assert served.get("/metrics").text == "paceline_up 1\n"
    assert served.get("/api/keys").status_code == 503
    stranger = {"authorization": f"Bearer pl_admin_{'0' * 64}"}
    assert served.get("/metrics", headers=stranger).status_code == 503, "it cannot be known"


def test_a_key_that_was_made_just_now_is_looked_up(admin: TestClient, shop: Workshop) -> None:
    api = build_api(shop, metrics=str, known_keys=tuple)
    assert TestClient(api, headers=dict(admin.headers)).get("/api/keys").status_code == 200
