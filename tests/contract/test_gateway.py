"""The HTTP contract of the gateway, on a real process with the golden server as its engine."""

import hashlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from paceline.deploy.compiled import FOLDER, digest, sources
from paceline.records.gateway import (
    Ended,
    Starting,
    UnknownParameters,
    WorkspaceRule,
)
from paceline.testing.gateway import (
    CHAT,
    KEY,
    RunningGateway,
    chat_body,
    endpoint,
    key_rule,
    replica,
    running_gateway,
)
from paceline.testing.golden_server.launch import Golden, golden_server

pytestmark = pytest.mark.enable_socket

OTHER_KEY = "pl_live_" + "0b" * 32


@pytest.fixture(scope="module")
def golden() -> Iterator[Golden]:
    with golden_server("--ttft-ms", "2", "--itl-ms", "1", "--model", "golden") as server:
        yield server


@pytest.fixture(scope="module", params=["compiled", "interpreted"])
def process(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunningGateway]:
    """The same contract holds for what a compiler made of the sources."""
    compiled = request.param == "compiled"
    if compiled and not (FOLDER / digest(sources())).exists():
        pytest.skip("the gateway is not compiled here; run: make compile")
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, interpreted=not compiled) as running:
        assert f"paceline_gateway_compiled {int(compiled)}\n" in running.metrics()
        yield running


@pytest.fixture
def gateway(process: RunningGateway, golden: Golden) -> RunningGateway:
    process.serve(endpoint(replica(golden.url)))
    return process


class TestAnswers:
    def test_a_chat_is_answered_with_all_headers(self, gateway: RunningGateway) -> None:
        reply = gateway.ask(headers={"x-request-id": "mine-1"})
        assert reply.status == 200
        assert reply.document["choices"][0]["message"]["content"] == " word word word"
        assert reply.document["model"] == "demo"
        assert reply.headers["x-request-id"] == "mine-1"
        assert reply.headers["x-paceline-version"] == "1"
        assert reply.headers["x-paceline-replica"] == "r1"
        assert int(reply.headers["x-paceline-overhead-us"]) > 0

    def test_a_request_id_is_made_where_none_or_a_bad_one_came(
        self, gateway: RunningGateway
    ) -> None:
        made = {gateway.ask().headers["x-request-id"] for _ in range(2)}
        bad = gateway.ask(headers={"x-request-id": "a b"}).headers["x-request-id"]
        assert len(made) == 2 and all(one.startswith("req_") for one in {*made, bad})

    @pytest.mark.parametrize("asks_usage", [True, False])
    def test_a_stream_has_usage_only_if_asked(
        self, gateway: RunningGateway, asks_usage: bool
    ) -> None:
        reply = gateway.ask(stream=True, stream_options={"include_usage": asks_usage})
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert {event["model"] for event in reply.events} == {"demo"}
        assert any(event.get("usage") for event in reply.events) is asks_usage
        line = gateway.usage()[-1]
        assert (line.ended, line.input_tokens, line.output_tokens) == (Ended.OK, 9, 3)

    def test_http_1_0_gets_a_stream_without_chunks(self, gateway: RunningGateway) -> None:
        body = b'{"model":"demo","max_tokens":2,"stream":true,"messages":[{"role":"user"}]}'
        head = f"POST {CHAT} HTTP/1.0\r\nauthorization: Bearer {KEY}\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        answer = gateway.raw(head.encode() + body)
        assert b"transfer-encoding" not in answer and answer.endswith(b"data: [DONE]\n\n")

    def test_embeddings_and_completions(self, gateway: RunningGateway) -> None:
        reply = gateway.ask({"model": "demo", "input": "a b c"}, path="/v1/embeddings")
        assert reply.status == 200 and gateway.usage()[-1].input_tokens == 10
        reply = gateway.ask({"model": "demo", "prompt": "a b"}, path="/v1/completions?x=1")
        assert reply.document["choices"][0]["text"] == " word"

    def test_images_are_counted(self, gateway: RunningGateway) -> None:
        asked = {"model": "demo", "prompt": "a cat", "n": 2}
        assert gateway.ask(asked, path="/v1/images/generations").status == 200
        assert gateway.usage()[-1].images == 2

    def test_models_are_those_of_the_key(self, gateway: RunningGateway, golden: Golden) -> None:
        gateway.serve(
            endpoint(replica(golden.url), aliases=("alias",)),
            endpoint(replica(golden.url), name="hidden"),
            endpoint(name="theirs", workspace="other"),
            keys=(key_rule(endpoints=("demo",)),),
        )
        listed = gateway.ask(method="GET", path="/v1/models").document["data"]
        assert [(one["id"], one["endpoint"]) for one in listed] == [
            ("demo", "demo"),
            ("alias", "demo"),
        ]
        found = gateway.ask(method="GET", path="/v1/models/alias").document
        assert (found["id"], found["endpoint"]) == ("alias", "demo")
        for name in ("hidden", "theirs", "none"):
            assert gateway.ask(method="GET", path=f"/v1/models/{name}").status == 404
        assert gateway.ask(model="alias").document["model"] == "alias"
        gateway.serve(endpoint(replica(golden.url)), keys=(key_rule(endpoints=("demo",)),))
        assert gateway.ask(model="alias").status == 404, "an alias ends with the table that had it"

    def test_curl_is_answered(self, gateway: RunningGateway) -> None:
        curl = shutil.which("curl")
        if curl is None:
            pytest.skip("curl is not installed")
        body = '{"model":"demo","messages":[{"role":"user","content":"hello"}]}'
        argv = [curl, "-s", "-H", f"Authorization: Bearer {KEY}", "-H", "Expect: 100-continue"]
        argv += [f"{gateway.url}/chat/completions", "-d", body]
        assert '"content": " word"' in subprocess.check_output(argv, text=True)

    def test_health_needs_no_key(self, gateway: RunningGateway) -> None:
        assert gateway.ask(method="GET", path="/health", key=None).status == 200


class TestRefusals:
    @pytest.mark.parametrize(
        ("asked", "status", "code"),
        [
            ({"key": None}, 401, "api_key_required"),
            ({"key": OTHER_KEY}, 401, "invalid_api_key"),
            ({"key": KEY.upper()}, 401, "invalid_api_key"),
            ({"model": "none"}, 404, "model_not_found"),
            ({"path": "/v1/other"}, 404, "unknown_url"),
            ({"path": "/v1/chat/completions/"}, 404, "unknown_url"),
            ({"method": "PUT", "body": b"{}"}, 405, "method_not_allowed"),
            ({"body": b"{"}, 400, "invalid_json"),
            ({"body": b"[]"}, 400, "invalid_json"),
            ({"body": b""}, 400, "invalid_json"),
            ({"body": b'{"model":7}'}, 400, "model_required"),
            ({"body": {"model": "demo"}}, 400, "invalid_messages"),
            ({"stream": "yes"}, 400, "invalid_stream"),
            ({"stream": True, "stream_options": 1}, 400, "invalid_stream"),
            ({"max_tokens": "many"}, 400, "invalid_limit"),
            ({"n": 0}, 400, "invalid_n"),
            ({"x": [[]], "body": b'{"model":"demo","messages":[{}],"x":' + b"[" * 300 + b"]" * 300 + b"}"}, 400, "invalid_json"),  # noqa: E501
        ],
    )  # fmt: skip
    def test_a_refusal_has_its_code(
        self, gateway: RunningGateway, asked: dict[str, object], status: int, code: str
    ) -> None:
        reply = gateway.ask(**asked)  # type: ignore[arg-type]  # cases mix parameters
        assert (reply.status, reply.code) == (status, code)
        assert reply.headers["x-request-id"]

    def test_scope_expiry_and_route(self, gateway: RunningGateway, golden: Golden) -> None:
        gateway.serve(
            endpoint(replica(golden.url)),
            endpoint(replica(golden.url), name="chats", routes=(CHAT,)),
            keys=(
                key_rule(endpoints=("chats",)),
                key_rule(OTHER_KEY, expires_at_s=time.time() - 1),
            ),
        )
        assert gateway.ask().code == "out_of_scope"
        assert gateway.ask(key=OTHER_KEY).code == "api_key_expired"
        asked = {"model": "chats", "input": "a"}
        assert gateway.ask(asked, path="/v1/embeddings").code == "route_not_served"

    def test_without_keys_anything_goes(self, gateway: RunningGateway, golden: Golden) -> None:
        gateway.serve(endpoint(replica(golden.url)), keys=(), keys_required=False)
        assert gateway.ask(key=None).status == gateway.ask(key="any").status == 200

    def test_unknown_parameters_pass_drop_or_fail(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        for policy, status in zip(UnknownParameters, (200, 200, 400), strict=True):
            gateway.serve(endpoint(replica(golden.url), unknown_parameters=policy))
            assert gateway.ask(guided_json={}).status == status

    def test_an_engines_refusal_is_passed_on_in_shape(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint(replica(golden.url, model_name="another")))
        reply = gateway.ask()
        assert (reply.status, reply.document["error"]["code"]) == (404, 404)

    def test_an_engines_refusal_is_no_answer_in_the_accounts_and_no_failure_either(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint(replica(golden.url, model_name="another"), name="picky"))
        asked = {"model": "picky", "prompt": "a cat", "n": 2}
        for _ in range(10):  # more than any breaker bears
            assert gateway.ask(asked, path="/v1/images/generations").status == 404
        line = gateway.usage()[-1]
        assert (line.ended, line.status, line.replica_id) == (Ended.REJECTED, 404, "r1")
        assert (line.input_tokens, line.output_tokens, line.images) == (0, 0, 0)
        page = gateway.metrics()
        assert 'ended_total{workspace="main",endpoint="picky",ended="rejected"} 10' in page
        assert 'endpoint="picky",ended="ok"' not in page
        assert 'endpoint="picky",ended="failed"' not in page
        assert 'replica_ejected{workspace="main",endpoint="picky",replica="r1"} 0' in page


class TestLimits:
    def test_requests_per_minute(self, gateway: RunningGateway, golden: Golden) -> None:
        gateway.serve(endpoint(replica(golden.url)), keys=(key_rule(requests_per_min=2),))
        first, second, third = (gateway.ask() for _ in range(3))
        assert [first.status, second.status, third.status] == [200, 200, 429]
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert int(first.headers["x-ratelimit-reset-requests"].removesuffix("ms")) <= 60_000
        assert 1 <= int(third.headers["retry-after"]) <= 30
        assert gateway.usage()[-1].ended is Ended.REFUSED

    def test_tokens_per_minute_are_settled_by_what_was_used(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        rule = key_rule(OTHER_KEY, tokens_per_min=1_000)
        gateway.serve(endpoint(replica(golden.url)), keys=(rule,))
        reply = gateway.ask(key=OTHER_KEY, max_tokens=900)
        assert reply.status == 200
        assert gateway.ask(key=OTHER_KEY, max_tokens=900).status == 429
        assert gateway.ask(key=OTHER_KEY, max_tokens=10).status == 200

    def test_concurrency(self, gateway: RunningGateway) -> None:
        with golden_server("--ttft-ms", "600000", "--model", "golden") as slow:
            gateway.serve(endpoint(replica(slow.url)), keys=(key_rule(concurrency=1),))
            with closing(gateway.begin(chat_body())):
                gateway.pulse(lambda pulse: pulse.endpoints[0].in_flight == 1)
                assert gateway.ask().code == "concurrency_exceeded"
            gateway.settled()

    def test_a_spent_budget_is_402(self, gateway: RunningGateway, golden: Golden) -> None:
        priced = endpoint(replica(golden.url), usd_per_million_output_tokens=1e6)
        gateway.serve(priced, keys=(key_rule(budget_left_usd=5.0),))
        assert gateway.ask(max_tokens=4).status == 200
        reply = gateway.ask(max_tokens=4)
        assert (reply.status, reply.code) == (402, "budget_spent")

    def test_embeddings_cost_what_they_read_and_nothing_else(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        priced = endpoint(
            replica(golden.url),
            name="vectors",  # what a request will cost is learned by endpoint, not from other tests
            usd_per_million_output_tokens=1e9,
            usd_per_million_embedded_tokens=1e6,
        )
        gateway.serve(priced, keys=(key_rule(budget_left_usd=30.0),))
        asked = {"model": "vectors", "input": "one two three four five"}
        before = len(gateway.usage())
        statuses = [gateway.ask(asked, path="/v1/embeddings").status for _ in range(20)]
        served = statuses.count(200)
        assert statuses == [200] * served + [402] * (20 - served)
        ended = [line for line in gateway.usage()[before:] if line.ended is Ended.OK]
        assert (len(ended), {line.output_tokens for line in ended}) == (served, {0})
        assert 10 < sum(line.input_tokens for line in ended) <= 30

    def test_the_keys_of_a_workspace_share_its_limits(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(
            endpoint(replica(golden.url)),
            keys=(key_rule(), key_rule(OTHER_KEY)),
            workspaces=(WorkspaceRule(name="main", requests_per_min=2),),
        )
        replies = [gateway.ask(key=key) for key in (KEY, OTHER_KEY, KEY)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[0].headers["x-ratelimit-limit-requests"] == "2"
        assert "workspace" in replies[2].body.decode()


class TestIdempotency:
    def test_a_repeat_is_answered_once_charged(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        golden.clear()
        sent = {"Idempotency-Key": uuid4().hex}
        first, again = gateway.ask(headers=sent), gateway.ask(headers=sent)
        assert first.body == again.body and again.headers["idempotent-replayed"] == "true"
        assert len(golden.entries()) == 1
        other = gateway.ask(headers=sent, max_tokens=9)
        assert (other.status, other.code) == (409, "idempotency_conflict")

    def test_a_killed_gateway_leaves_its_answers_to_the_next(
        self, tmp_path: Path, golden: Golden
    ) -> None:
        sent = {"Idempotency-Key": uuid4().hex}
        with running_gateway(tmp_path) as killed:
            killed.serve(endpoint(replica(golden.url)))
            first = killed.ask(headers=sent)
        golden.clear()
        with running_gateway(tmp_path) as next_one:
            again = next_one.ask(headers=sent)
        assert first.body == again.body and again.headers["idempotent-replayed"] == "true"
        assert golden.entries() == []

    def test_repeats_at_the_same_time_wait_for_the_first(self, gateway: RunningGateway) -> None:
        with golden_server("--ttft-ms", "200", "--model", "golden") as slow:
            gateway.serve(endpoint(replica(slow.url)))
            bodies: list[bytes] = []
            sent = {"Idempotency-Key": uuid4().hex}

            def ask() -> None:
                bodies.append(gateway.ask(headers=sent).body)

            threads = [threading.Thread(target=ask) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(bodies) == 3 and len(set(bodies)) == 1
            assert len(slow.entries()) == 1


class TestWaiting:
    def test_a_request_without_a_replica_wakes_is_held_and_answered(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(endpoint())
        replies: list[int] = []
        asking = threading.Thread(target=lambda: replies.append(gateway.ask().status))
        asking.start()
        assert gateway.wake().endpoint == "demo"
        gateway.pulse(lambda pulse: pulse.endpoints[0].queued == 1)
        gateway.serve(endpoint(replica(golden.url)))
        asking.join()
        assert replies == [200]
        line = gateway.usage()[-1]
        assert line.cold_s > 0 and line.queue_s < line.cold_s

    def test_held_too_long_is_503_with_progress(self, gateway: RunningGateway) -> None:
        starting = Starting(phase="weights", progress=0.5, eta_s=300.0, at_s=time.time())
        gateway.serve(endpoint(hold_s=0.1, starting=starting))
        reply = gateway.ask()
        assert (reply.status, reply.code) == (503, "no_capacity")
        assert 200 <= int(reply.headers["retry-after"]) <= 300
        assert reply.document["state"] == "starting"
        assert (reply.document["phase"], reply.document["progress"]) == ("weights", 0.5)
        assert 200 <= reply.document["eta_s"] <= 300

    def test_a_full_queue_is_503_at_once(self, gateway: RunningGateway) -> None:
        gateway.serve(endpoint(queue_length=0))
        assert gateway.ask().status == 503

    def test_a_failed_endpoint_says_why(self, gateway: RunningGateway) -> None:
        gateway.serve(endpoint(failed="the engine does not start"))
        reply = gateway.ask()
        assert reply.code == "endpoint_failed"
        assert "does not start" in reply.document["error"]["message"]

    def test_capacity_is_never_exceeded_and_all_are_answered(self, gateway: RunningGateway) -> None:
        with golden_server(
            "--ttft-ms", "20", "--capacity", "2", "--when-full", "reject", "--model", "golden"
        ) as narrow:
            gateway.serve(endpoint(replica(narrow.url, capacity=2)))
            statuses: list[int] = []
            threads = [
                threading.Thread(target=lambda: statuses.append(gateway.ask().status))
                for _ in range(12)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert statuses == [200] * 12
            assert all(entry["ended"] == "ok" for entry in narrow.entries())

    def test_a_draining_replica_gets_nothing_new(
        self, gateway: RunningGateway, golden: Golden
    ) -> None:
        gateway.serve(
            endpoint(replica(golden.url, "old", draining=True), replica(golden.url, "new"))
        )
        assert {gateway.ask().headers["x-paceline-replica"] for _ in range(4)} == {"new"}


class TestSecrets:
    def test_no_key_is_kept_in_clear(self, gateway: RunningGateway) -> None:
        gateway.ask(headers={"x-request-id": "leak", "Idempotency-Key": uuid4().hex})
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        kept = [path.read_bytes() for path in gateway.state.iterdir()]
        assert not any(KEY.encode() in data for data in kept)
        assert any(digest.encode() in data for data in kept)
        assert KEY not in gateway.metrics()

    def test_the_state_is_only_for_this_user(self, gateway: RunningGateway) -> None:
        paths = [gateway.state, *gateway.state.iterdir(), gateway.state.parent / "c.sock"]
        assert all(path.stat().st_mode & 0o077 == 0 for path in paths)


def test_before_its_first_table_it_asks_for_patience(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as young:
        for reply in (young.ask(), young.ask(path="/v1/models", method="GET")):
            assert (reply.status, reply.code) == (503, "gateway_starting")
            assert reply.headers["retry-after"] == "1"


class TestMetrics:
    def test_the_page_counts_requests(self, gateway: RunningGateway) -> None:
        gateway.ask()
        page = gateway.metrics()
        assert 'paceline_gateway_arrivals_total{workspace="main",endpoint="demo"}' in page
        assert "paceline_gateway_overhead_seconds_bucket{" in page

    def test_every_metric_is_documented(self, gateway: RunningGateway) -> None:
        gateway.ask()
        page = gateway.metrics()
        names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
        docs = (Path(__file__).parents[2] / "docs/reference/http.md").read_text()
        assert {name for name in names if f"`{name}`" not in docs} == set()


def test_the_body_of_a_chat_reaches_the_engine_as_it_was_understood(
    gateway: RunningGateway, golden: Golden
) -> None:
    """A name given twice has one meaning: the last, for us and for the engine."""
    golden.clear()
    body = b'{"model":"other","max_tokens":1,"model":"demo","messages":[{"content":"a"}]}'
    assert gateway.ask(body).status == 200
    assert golden.entries()[0]["ended"] == "ok"
    assert chat_body()["model"] == "demo"


def test_a_trace_goes_on_in_the_engine_below_the_request(gateway: RunningGateway) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with socket.create_server(("127.0.0.1", 0)) as engine:
        gateway.serve(endpoint(replica(f"http://127.0.0.1:{engine.getsockname()[1]}")))
        headers = {"traceparent": f"00-{trace}-{span}-01", "x-request-id": "traced-1"}
        asking = threading.Thread(target=gateway.ask, kwargs={"headers": headers})
        asking.start()
        connection, _ = engine.accept()
        with connection:
            head = connection.recv(65_536).decode()
        engine.close()
        asking.join()
    assert f"traceparent: 00-{trace}-" in head
    assert span not in head
    line = next(one for one in gateway.usage() if one.request_id == "traced-1" and one.status)
    assert line.trace_parent == headers["traceparent"]
