from dataclasses import replace

from paceline.adapters.hub.huggingface.client import Repo
from paceline.adapters.hub.huggingface.order import ordered
from paceline.records.checkpoint import Candidate, Gate

BASE = Repo(
    name="acme/chat",
    revision="0" * 40,
    tags=(),
    files=(),
    gate=Gate.OPEN,
    licence="mit",
    downloads=9,
    stored=(),
    gguf={},
    summary={},
)
PLAIN = Candidate(
    repo="x/plain",
    revision="1" * 40,
    format="awq-4",
    method="awq",
    files=(),
    licence="mit",
    gate=Gate.OPEN,
    downloads=5,
    stated=True,
)


def test_evidence_then_access_then_authors_then_use() -> None:
    loved = replace(PLAIN, repo="x/loved", downloads=500)
    own = replace(PLAIN, repo="acme/own", downloads=1)
    gated = replace(PLAIN, repo="x/gated", downloads=9000, gate=Gate.MANUAL)
    named = replace(PLAIN, repo="x/named-only", downloads=99999, stated=False)
    ranked = ordered((named, gated, PLAIN, loved, own), BASE)
    assert [one.repo for one in ranked] == [
        "acme/own",
        "x/loved",
        "x/plain",
        "x/gated",
        "x/named-only",
    ]
    assert "by its name only" in ranked[-1].reasons[0]
    assert ranked[3].reasons[-1] == "gated (manual)"


def test_another_licence_is_pointed_out() -> None:
    (one,) = ordered([replace(PLAIN, licence=None)], BASE)
    assert one.reasons == (
        "tagged as made from acme/chat",
        "5 downloads",
        "licence not stated; the base has mit",
    )
