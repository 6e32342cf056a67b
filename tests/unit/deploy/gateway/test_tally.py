from paceline.deploy.gateway.tally import EndpointTally
from paceline.records.gateway import Ended


def test_errors_are_ours_and_the_engines_never_a_clients() -> None:
    tally = EndpointTally()
    for ended, status in (
        (Ended.OK, 200),
        (Ended.ABORTED, 499),
        (Ended.REJECTED, 422),
        (Ended.REFUSED, 401),
        (Ended.REFUSED, 429),
    ):
        tally.end(ended, status)
    assert tally.errors == 0
    tally.end(Ended.FAILED, 200)  # a stream that broke off
    tally.end(Ended.FAILED, 502)
    tally.end(Ended.REFUSED, 503)
    assert tally.errors == 3
    assert sum(tally.ended.values()) == sum(tally.statuses.values()) == 8
