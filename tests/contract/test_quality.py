"""Every evaluator of ours against the contract."""

import json

import httpx
import pytest

from paceline.adapters.quality.suites import SuiteEvaluator
from paceline.ports.quality import Evaluator
from paceline.records.load import Target
from paceline.testing.quality import Answers, EvaluatorContract


class TestSuiteEvaluator(EvaluatorContract):
    @pytest.fixture
    def target(self) -> Target:
        return Target(base_url="http://engine", model="m")

    @pytest.fixture
    def evaluator(self, answers: Answers) -> Evaluator:
        def answer(request: httpx.Request) -> httpx.Response:
            said = answers[json.loads(request.content)["messages"][-1]["content"]]
            if said is None:
                return httpx.Response(500, text="out of order")
            choice = {"message": {"content": said}, "finish_reason": "stop"}
            return httpx.Response(200, json={"choices": [choice]})

        return SuiteEvaluator(transport=httpx.MockTransport(answer))
