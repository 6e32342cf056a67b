"""What the first answer of an endpoint says is wrong with it."""

import pytest

from paceline.adapters.load.openai_http import probe
from paceline.adapters.load.openai_http.answer import Answer
from paceline.errors import Code, PacelineError
from paceline.records.load import Route, Target
from paceline.records.load_plan import ClientSettings
from paceline.records.samples import Outcome

TARGET = Target(base_url="http://h:1", model="chat")


def refusal(detail: str) -> probe.Reply:
    answer = Answer(Route.CHAT)
    answer.status = 400
    return probe.Reply(
        outcome=Outcome.HTTP_ERROR, answer=answer, sent_s=0.0, end_s=0.1, detail=detail
    )


@pytest.mark.parametrize(
    ("listed", "code"),
    [("'other'", Code.UNKNOWN_NAME), ("'chat', 'other'", Code.ENDPOINT_FAILED)],
)
def test_a_model_that_is_listed_is_not_what_a_refusal_is_about(
    listed: str, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_models_of", lambda target: listed)
    reply = refusal("HTTP 400: this model's maximum context length is 8 tokens")
    with pytest.raises(PacelineError) as caught:
        probe._check(TARGET, reply, ClientSettings())
    assert caught.value.code is code
    assert "maximum context length" in caught.value.why
