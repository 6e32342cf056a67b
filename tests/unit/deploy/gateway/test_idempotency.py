from paceline.deploy.gateway.idempotency import KEPT_S, MOST_BYTES, Answer, Idempotency

NAME = ("key", b"one")
GOOD = Answer(status=200, content_type=b"application/json", body=b"{}")
BAD = Answer(status=502, content_type=b"application/json", body=b"{}")


def test_an_answer_is_kept_for_a_day() -> None:
    store = Idempotency()
    store.finish(store.begin(NAME, b"digest", 0.0), GOOD)
    entry = store.find(NAME, KEPT_S)
    assert entry is not None and entry.answer is GOOD
    assert store.find(NAME, KEPT_S + 1) is None
    assert store.find(NAME, 0.0) is None


def test_a_failure_is_told_to_those_who_wait_and_not_kept() -> None:
    store = Idempotency()
    entry = store.begin(NAME, b"digest", 0.0)
    told: list[Answer] = []
    entry.waiters += [told.append, told.append]
    store.finish(entry, BAD)
    assert told == [BAD, BAD]
    assert store.find(NAME, 0.0) is None


def test_what_is_under_way_is_found_without_an_answer() -> None:
    store = Idempotency()
    entry = store.begin(NAME, b"digest", 0.0)
    assert store.find(NAME, KEPT_S * 9) is entry and entry.answer is None


def test_the_oldest_answers_go_when_there_is_no_room() -> None:
    store = Idempotency()
    large = Answer(status=200, content_type=b"", body=bytes(4 * 2**20))
    names = [("key", b"%d" % number) for number in range(MOST_BYTES // len(large.body) + 5)]
    for name in names:
        store.finish(store.begin(name, b"digest", 0.0), large)
    kept = [store.find(name, 0.0) is not None for name in names]
    assert not kept[0] and kept[-1] and sum(kept) >= len(names) - 7
