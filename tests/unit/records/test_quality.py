from paceline.testing.builders import a_suite, an_item


def test_the_order_is_a_permutation_that_the_seed_decides() -> None:
    items = tuple(an_item(f"q{number}") for number in range(50))
    suite = a_suite(items)
    assert sorted(suite.asking_order(1), key=items.index) == list(items)
    assert suite.asking_order(1) == suite.asking_order(1)
    assert suite.asking_order(1) != suite.asking_order(2)
