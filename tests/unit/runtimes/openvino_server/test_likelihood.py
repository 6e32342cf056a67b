import math

import numpy as np
import pytest

from paceline.runtimes.openvino_server.likelihood import token_scores


def test_shares_sum_to_one_and_the_best_come_first() -> None:
    logits = np.log(np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25]], dtype=np.float32)) + 7
    first, second = token_scores(logits, [2, 0], top=2)
    assert first.logprob == pytest.approx(math.log(0.3), abs=1e-6)
    assert [token for token, _ in first.top] == [1, 2]
    assert [math.exp(logprob) for _, logprob in first.top] == pytest.approx([0.6, 0.3])
    assert second.logprob == pytest.approx(math.log(0.5), abs=1e-6)


def test_large_logits_do_not_overflow_and_more_than_the_vocabulary_is_all_of_it() -> None:
    (score,) = token_scores(np.array([[1e4, 1e4 - 1, 0]], dtype=np.float32), [1], top=20)
    assert score.logprob == pytest.approx(-1 - math.log1p(math.exp(-1)), abs=1e-3)
    assert len(score.top) == 3
