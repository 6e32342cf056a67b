import pytest

from paceline.errors import Code, SpecError
from paceline.records.request import Beside
from paceline.spec.read import Asked, RequestText, read_request
from paceline.spec.suites import SuiteNames, parse_suites


def test_a_plain_name_is_the_suite_and_mine_is_the_own_test_set() -> None:
    found = parse_suites(("0.7*standard+0.3*more.jsonl", "mine=a=b.jsonl"))
    assert found == SuiteNames(main="0.7*standard+0.3*more.jsonl", own="a=b.jsonl")
    assert parse_suites(()) == SuiteNames()


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("a.jsonl", "b.jsonl"), Code.BAD_OPTION),
        (("mine=a.jsonl", "mine=b.jsonl"), Code.BAD_OPTION),
        (("mine=",), Code.BAD_OPTION),
        (("yours=a.jsonl",), Code.UNKNOWN_NAME),
    ],
)
def test_what_cannot_be_meant_is_refused(texts: tuple[str, ...], code: Code) -> None:
    with pytest.raises(SpecError) as error:
        parse_suites(texts)
    assert error.value.code is code


def test_a_limit_on_the_own_test_set_needs_one() -> None:
    flags = Asked(model="m", constraints=("quality(mine) >= 0.95",))
    with pytest.raises(SpecError, match="none was given"):
        read_request(flags)
    file = RequestText(name="r.yaml", text="version: 1\nsuites: mine=tests.jsonl\n")
    assert read_request(flags, file=file).own_suite == "tests.jsonl"


def test_a_limit_switches_on_what_measures_it() -> None:
    request = read_request(Asked(model="m", constraints=("quality(load) >= 0.97x",)))
    assert request.beside == (Beside.LOAD,)
    words = "quality in long contexts at least 90%, cheaper"
    flags = Asked(model="m", beside=("under-load",))
    assert read_request(flags, words=words).beside == (Beside.LOAD, Beside.CONTEXT)
    file = RequestText(name="r.yaml", text="version: 1\nconstraints: [quality(long) >= 0.9]\n")
    assert read_request(Asked(model="m"), file=file).beside == (Beside.CONTEXT,)


def test_flags_win_over_the_file_one_by_one() -> None:
    file = RequestText(name="r.yaml", text="version: 1\nsuites: [standard, mine=old.jsonl]\n")
    request = read_request(Asked(model="m", suites=("mine=new.jsonl",)), file=file)
    assert (request.suite, request.own_suite) == ("standard", "new.jsonl")


def test_questions_take_a_quarter_of_the_time_unless_somebody_says_otherwise() -> None:
    text = "version: 1\nquality_share: 0.5\nbeside: [long-context, under-load]\n"
    file = RequestText(name="r.yaml", text=text)
    plain, stored = read_request(Asked(model="m")), read_request(Asked(model="m"), file=file)
    assert (plain.quality_share, plain.beside) == (0.25, ())
    assert (stored.quality_share, stored.beside) == (0.5, (Beside.LOAD, Beside.CONTEXT))
    flags = Asked(model="m", quality_share=1.0, beside=("long-context",))
    both = read_request(flags, file=file)
    assert (both.quality_share, both.beside) == (1.0, (Beside.CONTEXT,))
