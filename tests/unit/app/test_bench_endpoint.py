from paceline.app.bench_endpoint import EndpointWatch, stopped_answering
from paceline.records.load import LoadProgress
from paceline.records.samples import Outcome, RequestSample, SampleTable, table_of


def progress(elapsed_s: float, *, ok: int = 0, refused: int = 0) -> LoadProgress:
    return LoadProgress(
        elapsed_s=elapsed_s,
        in_flight=1,
        started=ok + refused,
        ok=ok,
        failed=refused,
        output_chunks=0,
        recent_ttft_ms=(),
        recent_tpot_ms=(),
        recent_e2e_ms=(),
        failures={"refused": refused} if refused else {},
    )


def test_an_endpoint_that_only_refuses_is_given_up_after_a_while() -> None:
    seen: list[LoadProgress] = []
    watch = EndpointWatch(seen.append)
    watch.progress(progress(1.0, ok=50))
    watch.progress(progress(2.0, ok=50, refused=10))
    watch.progress(progress(4.0, ok=50, refused=40))
    assert not watch.lost
    watch.progress(progress(7.5, ok=50, refused=90))
    assert watch.lost
    assert len(seen) == 4


def test_one_that_comes_back_is_not() -> None:
    watch = EndpointWatch(lambda _: None)
    watch.progress(progress(1.0, refused=10))
    watch.progress(progress(5.0, ok=1, refused=40))
    watch.progress(progress(6.5, ok=2, refused=40))
    assert not watch.lost


def test_a_slow_endpoint_is_not_lost() -> None:
    watch = EndpointWatch(lambda _: None)
    for second in range(60):
        watch.progress(progress(float(second)))
    assert not watch.lost


def samples(*outcomes: Outcome) -> SampleTable:
    return table_of(
        [
            RequestSample(
                index=i,
                scheduled_s=float(i),
                sent_s=None if outcome is Outcome.REFUSED else float(i),
                chunk_s=(i + 0.1,) if outcome is Outcome.OK else (),
                end_s=i + 0.2,
                input_tokens=1,
                output_tokens=1,
                outcome=outcome,
                detail="nobody there" if outcome is Outcome.REFUSED else None,
            )
            for i, outcome in enumerate(outcomes)
        ]
    )


OK, REFUSED = Outcome.OK, Outcome.REFUSED


def test_refusals_up_to_the_end_are_told_with_their_moment() -> None:
    told = stopped_answering(samples(OK, OK, Outcome.TRUNCATED, REFUSED, REFUSED, REFUSED))
    assert told is not None
    assert "3.0 s" in told
    assert "nobody there" in told


def test_refusals_in_between_are_failures_like_others() -> None:
    assert stopped_answering(samples(OK, REFUSED, REFUSED, REFUSED, OK)) is None
    assert stopped_answering(samples(OK, REFUSED)) is None
