"""No question of the suite occurs in the training text, and both come out the same each time."""

from itertools import islice

from train.corpus import conversations
from train.exchange import Message
from train.suite import make_items

# The seed behind the shipped weights, and somewhat more conversations than they were trained on
# (4,000 steps of 12 rows with about three conversations each).
_SEED = 1
_CONVERSATIONS = 150_000

Prompt = tuple[tuple[str, str], ...]


def _prompts(conversation: tuple[Message, ...]) -> set[Prompt]:
    """All that a model is asked in one conversation: with its history, and each question alone."""
    said = tuple((message.role, message.content) for message in conversation)
    asked = [index for index, (role, _) in enumerate(said) if role == "user"]
    return {said[: index + 1] for index in asked} | {(said[index],) for index in asked}


def _suite_prompts() -> set[Prompt]:
    """Whole prompts; and questions alone where a question says all there is to know."""
    found: set[Prompt] = set()
    for item in make_items():
        said = tuple((message.role, message.content) for message in item.messages)
        found.add(said)
        if item.category != "recall":
            found.add(said[-1:])
    return found


def test_no_prompt_of_the_suite_was_trained_on() -> None:
    suite = _suite_prompts()
    for conversation in islice(conversations(_SEED), _CONVERSATIONS):
        assert not suite & _prompts(conversation)


def test_the_corpus_repeats_itself_exactly() -> None:
    assert list(islice(conversations(_SEED), 500)) == list(islice(conversations(_SEED), 500))


def test_another_seed_gives_other_text() -> None:
    assert list(islice(conversations(_SEED), 50)) != list(islice(conversations(2), 50))


def test_the_suite_repeats_itself_exactly() -> None:
    assert make_items() == make_items()
