from paceline.records.quality import Item, Message, Scorer, Suite


def test_the_order_is_a_permutation_that_the_seed_decides() -> None:
    items = tuple(
        Item(
            item_id=f"q{number}",
            category="c",
            messages=(Message(role="user", content="?"),),
            scorer=Scorer.EXACT,
            answer="x",
            max_tokens=1,
        )
        for number in range(50)
    )
    suite = Suite(name="s", version="1", sha256="0" * 64, items=items)
    assert sorted(suite.asking_order(1), key=items.index) == list(items)
    assert suite.asking_order(1) == suite.asking_order(1)
    assert suite.asking_order(1) != suite.asking_order(2)
