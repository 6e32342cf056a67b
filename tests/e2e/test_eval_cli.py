"""`paceline eval` against a small server of known knowledge."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.e2e.conftest import Paceline

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

Answer = Callable[[str], str | None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """An endpoint whose reply is a function of the last message; `None` is a refused request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            said = answer(json.loads(self.rfile.read(size))["messages"][-1]["content"])
            choice = {"message": {"content": said}, "finish_reason": "stop"}
            body = json.dumps({"choices": [choice]} if said is not None else {"error": "no"})
            self.send_response(200 if said is not None else 400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the test reads stderr."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that knows enough hangs up; that is no error here."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def double(asked: str) -> str:
    """The right answer to every item of the suite below."""
    return str(2 * int(asked.rsplit(maxsplit=1)[-1].rstrip("?")))


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    items = [
        {"id": f"n{n}", "prompt": f"What is twice {n}?", "answer": 2 * n, "scorer": "number"}
        for n in range(120)
    ]
    path = tmp_path / "doubles.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def test_scores_an_endpoint_and_goes_on_from_kept_answers(
    paceline: Paceline, suite: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "answers.jsonl"
    with serving(double) as url:
        arguments = (url, "--model", "m", "--suite", str(suite), "--resume", str(kept), "--json")
        done = paceline("eval", *arguments)
    assert done.code == 0, done.err
    assert done.document["score"] == 1.0
    assert "120/120 items" in done.err
    again = paceline("eval", *arguments)
    assert again.document == done.document


def test_a_worse_endpoint_is_told_early_with_what_it_lost(paceline: Paceline, suite: Path) -> None:
    def forgetful(asked: str) -> str:
        return double(asked) if int(double(asked)) % 3 else "I forget."

    with serving(double) as good, serving(forgetful) as worse:
        done = paceline(
            "eval", worse, "--model", "m", "--against", good, "--suite", str(suite), "--json"
        )
    assert done.code == 5, done.err
    against = done.document["against"]
    assert against["verdict"]["verdict"] == "fail"
    assert done.document["asked"] < 60
    assert set(against["comparison"]["lost"]) <= {f"n{n}" for n in range(0, 120, 3)}
    assert against["comparison"]["gained"] == []


def test_garbage_is_told_at_once(paceline: Paceline, suite: Path) -> None:
    with serving(lambda _asked: "la " * 60) as url:
        done = paceline("eval", url, "--model", "m", "--suite", str(suite))
    assert done.code == 5
    assert "stopped early, garbage: of the first 12 answers: 12 repeating" in done.out


@pytest.mark.parametrize(
    ("line", "because"), [("{", "line 2"), ('{"id": "n0", "prompt": "?"}', "line 2")]
)
def test_a_malformed_suite_is_refused_before_anything_is_asked(
    paceline: Paceline, suite: Path, line: str, because: str
) -> None:
    first = suite.read_text().split("\n")[0]
    suite.write_text(f"{first}\n{line}\n")
    done = paceline("eval", "http://127.0.0.1:9", "--model", "m", "--suite", str(suite))
    assert done.code == 2
    assert because in done.err
    assert "Traceback" not in done.err


def test_an_endpoint_that_is_not_there_or_refuses_is_a_set_up_error(
    paceline: Paceline, suite: Path
) -> None:
    absent = paceline("eval", "http://127.0.0.1:9", "--model", "m", "--suite", str(suite))
    assert absent.code == 3
    assert "[endpoint-unreachable]" in absent.err
    with serving(lambda _asked: None) as url:
        refusing = paceline("eval", url, "--model", "m", "--suite", str(suite))
    assert refusing.code == 3
    assert "HTTP 400" in refusing.err
