import pytest

from paceline.errors import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(2, "No such file", "a.yaml"), "No such file (errno 2)"),
        (OSError("no driver"), "no driver"),
        (ValueError("expected ',' at 7"), "expected ',' at 7"),
    ],
)
def test_a_reason_repeats_no_path(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
