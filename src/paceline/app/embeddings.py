"""The embeddings of one endpoint against those of another."""

from collections.abc import Callable
from dataclasses import asdict

from paceline.app.evaluate import EvalRequest
from paceline.app.registry import adapter
from paceline.errors import Code, SpecError
from paceline.ports.embeddings import EmbeddingReader
from paceline.records.embedding import EmbeddingFidelity
from paceline.trial.embeddings import compare_embeddings


def examine_embeddings(request: EvalRequest) -> EmbeddingFidelity:
    """Embed the same texts on both. Raises SpecError without a second endpoint."""
    if request.against is None:
        raise SpecError(
            Code.BAD_OPTION,
            "embeddings have no score of their own",
            why="one endpoint given, two needed: a vector is only right or wrong beside another",
            fix="--against URL of the baseline",
        )
    make: Callable[[], EmbeddingReader] = adapter("quality", "embeddings")
    reader = make()
    baseline = reader.read(request.against, concurrency=request.concurrency)
    variant = reader.read(request.target, concurrency=request.concurrency)
    return compare_embeddings(variant, baseline)


def embeddings_document(request: EvalRequest, found: EmbeddingFidelity) -> dict[str, object]:
    """The comparison as JSON."""
    both = {"endpoint": request.target, "against": request.against}
    ends = {
        name: {"url": target.base_url, "model": target.model}
        for name, target in both.items()
        if target is not None
    }
    return {**ends, "embeddings": asdict(found)}
