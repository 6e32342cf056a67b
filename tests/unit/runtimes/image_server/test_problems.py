"""Values from outside, as answers and logs show them."""

import pytest

from paceline.runtimes.image_server.problems import Problem, show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ("64x64", "'64x64'"),
        ("x" * 100_000, "a text of 100000 characters"),
        ("bell\x07 \ud83d", "'bell\\x07 \\ud83d'"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "an object"),
        (10**100, "1" + "0" * 79 + "…"),
    ],
)
def test_a_value_is_shown_short_and_in_plain_characters(value: object, shown: str) -> None:
    assert show(value) == shown


def test_our_own_failures_are_told_from_the_clients() -> None:
    busy = Problem(503, "full", code="queue_full", details={"waiting": 3}, retry_after_s=5)
    assert busy.body() == {
        "error": {
            "message": "full",
            "type": "server_error",
            "param": None,
            "code": "queue_full",
            "waiting": 3,
        }
    }
    assert busy.headers() == {"Retry-After": "5"}
    assert Problem(404, "no", code="c").body()["error"]["type"] == "invalid_request_error"
