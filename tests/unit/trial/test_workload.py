from dataclasses import replace

import pytest

from paceline.adapters.load.openai_http.texts import texts_for
from paceline.records.load_plan import LoadPlan
from paceline.testing.builders import a_workload
from paceline.trial.arrivals import plan_load
from paceline.trial.workload import load_shape, rung_shape

WORDS = 40


def texts(plan: LoadPlan, requests: int = 200) -> set[str]:
    """The first words of as many prompts as the client would make."""
    maker = texts_for(plan, None)
    return {maker.text(WORDS, f"{occurrence}.0") for occurrence in range(requests)}


def test_no_prompt_of_a_first_rung_or_a_repeat_comes_again() -> None:
    """So nothing has to be cleared between them: no cache can know what it is asked."""
    workload = a_workload()
    loads = [
        plan_load(shape)
        for seed in (0, 1)
        for shape in (
            load_shape(workload, seed=seed),
            rung_shape(workload, seed=seed, share=1 / 6),
        )
    ]
    found = [texts(load) for load in loads]
    assert len(set().union(*found)) == sum(map(len, found)) == 4 * 200


@pytest.mark.parametrize(("most", "of_rung"), [(None, None), (240, 40), (2, 1)])
def test_a_first_rung_is_the_same_load_for_a_shorter_while(
    most: int | None, of_rung: int | None
) -> None:
    workload = replace(a_workload(), max_requests=most)
    whole = load_shape(workload, seed=3)
    rung = rung_shape(workload, seed=3, share=1 / 6)
    assert rung.duration_s == pytest.approx(workload.duration_s / 6)
    assert rung.requests == of_rung
    same = replace(rung, seed=3, duration_s=whole.duration_s, requests=whole.requests)
    assert same == whole
