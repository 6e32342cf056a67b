"""Embeddings of a deployed version, as a client of the OpenAI library gets and pays for them."""

import time
from contextlib import closing
from pathlib import Path

import openai
import pytest
from tests.e2e.conftest import Paceline
from tests.e2e.serving import WITHIN_S, plant_version, serving

from paceline.adapters.stores.sql import SqlStore
from paceline.app.keys import KeyOrder, create_key
from paceline.clock import SystemClock
from paceline.ports.access import Access
from paceline.records.access import UseLimits
from paceline.records.usage import UsageBy, UsageTotal

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

TEXTS = ["one two three", "four five", "one two three"]
TOKENS = 8
LIMITS = UseLimits(tokens_per_min=2 * TOKENS + 4)


def used(access: Access, requests: int) -> UsageTotal:
    """What is accounted for, once it is so many requests."""
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        found = access.usage(by=UsageBy.KEY)
        if found and found[0].requests == requests:
            return found[0]
        assert time.monotonic() < deadline_s, found
        time.sleep(0.1)


def test_embeddings_are_answered_metered_limited_and_priced(
    paceline: Paceline, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    assert paceline("models", "synth", "tiny", str(folder)).code == 0
    plant_version(paceline, str(folder))
    assert paceline("deploy", "demo", "--min", "1", "--alias", "vectors").code == 0
    with closing(SqlStore(paceline.data / "paceline.db")) as store:
        new = create_key(KeyOrder(name="app", limits=LIMITS), store.access, SystemClock())
        with serving(paceline, "--require-keys") as one:
            one.heard("serves after")
            with openai.OpenAI(base_url=one.url, api_key=new.secret, max_retries=0) as client:
                answer = client.embeddings.create(model="vectors", input=TEXTS)
                vectors = [item.embedding for item in answer.data]
                assert vectors[0] == vectors[2] != vectors[1]
                assert (answer.model, answer.usage.prompt_tokens) == ("vectors", TOKENS)
                plain = client.embeddings.create(model="demo", input=TEXTS, encoding_format="float")
                assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-6)
                with pytest.raises(openai.RateLimitError):
                    client.embeddings.create(model="demo", input=TEXTS * 10)
            total = used(store.access, requests=3)
    assert (total.group, total.ok, total.refused) == (new.key.key_id, 2, 1)
    assert (total.input_tokens, total.output_tokens) == (2 * TOKENS, 0)
    assert total.usd > 0
