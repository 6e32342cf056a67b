"""Raw samples: one request each, as a record and by the column.

A long test has hundreds of thousands of requests and tens of millions of chunks, so they are kept
in numpy arrays. `pack` and `unpack` are the stored form: an uncompressed `.npz` archive (readable
by numpy alone), whose bytes depend on the samples only, so that a receipt can name its hash.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
import numpy.typing as npt

SCHEMA_VERSION = 1
MICROSECONDS_PER_S = 1e6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Outcome(StrEnum):
    """How one request ended; everything but `OK` is a miss and is never dropped.

    The order is part of the stored form: append only.
    """

    OK = "ok"
    HTTP_ERROR = "http-error"
    REFUSED = "refused"
    RESET = "reset"
    TRUNCATED = "truncated"
    TIMED_OUT = "timed-out"
    GARBAGE = "garbage"
    UNFINISHED = "unfinished"
    """Still in flight when the test ended: neither an answer nor a failure of the server."""
    EMPTY = "empty"
    """A complete answer without any output."""
    STREAM_ERROR = "stream-error"
    """An error object inside a stream that began with 200."""


class TokenSource(StrEnum):
    """Where the output token count of a request came from. Append only."""

    UNKNOWN = "unknown"
    USAGE = "usage"
    TOKENIZER = "tokenizer"
    CHUNKS = "chunks"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSample:
    """One request as the client saw it; the raw material of every figure.

    `scheduled_s` is when the load model wanted it sent (in closed loop: when its slot came
    free), `sent_s` when it was written to the socket. `chunk_s` are the arrival times of chunks
    that carried output, first to last; `end_s` is when the answer was complete or had failed.
    """

    index: int
    scheduled_s: float
    sent_s: float | None
    chunk_s: tuple[float, ...]
    end_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    outcome: Outcome
    status: int | None = None
    detail: str | None = None
    stage: int = 0
    session: int = 0
    turn: int = 0
    token_source: TokenSource = TokenSource.UNKNOWN


OUTCOMES = tuple(Outcome)
TOKEN_SOURCES = tuple(TokenSource)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleTable:
    """All samples of a test by the column, in order of `scheduled_s`; NaN where unknown.

    `chunk_us` holds, for all requests one after the other, the arrival of each output chunk in
    whole microseconds after `sent_s`; those of request `i` are
    `chunk_us[chunk_start[i]:chunk_start[i + 1]]`. `outcome` and `token_source` are positions in
    their enums. `details` maps a row to what was wrong with it (at most some thousands are kept).
    """

    index: Ints
    scheduled_s: Floats
    sent_s: Floats
    end_s: Floats
    input_tokens: Floats
    output_tokens: Floats
    outcome: Ints
    status: Ints
    stage: Ints
    session: Ints
    turn: Ints
    token_source: Ints
    chunk_start: Ints
    chunk_us: npt.NDArray[np.uint32]
    details: dict[int, str]

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[RequestSample]:
        return (self.row(i) for i in range(len(self)))

    def row(self, i: int) -> RequestSample:
        """Request `i` of the table as a record."""
        sent_s = _known(self.sent_s[i])
        chunks = self.chunk_us[self.chunk_start[i] : self.chunk_start[i + 1]]
        output_tokens, input_tokens = _known(self.output_tokens[i]), _known(self.input_tokens[i])
        return RequestSample(
            index=int(self.index[i]),
            scheduled_s=float(self.scheduled_s[i]),
            sent_s=sent_s,
            chunk_s=tuple(((sent_s or 0.0) + chunks / MICROSECONDS_PER_S).tolist()),
            end_s=_known(self.end_s[i]),
            input_tokens=None if input_tokens is None else int(input_tokens),
            output_tokens=None if output_tokens is None else int(output_tokens),
            outcome=OUTCOMES[self.outcome[i]],
            status=int(self.status[i]) or None,
            detail=self.details.get(i),
            stage=int(self.stage[i]),
            session=int(self.session[i]),
            turn=int(self.turn[i]),
            token_source=TOKEN_SOURCES[self.token_source[i]],
        )

    def select(self, rows: npt.NDArray[np.bool_]) -> "SampleTable":
        """The rows where the mask is true, chunks included."""
        counts = np.diff(self.chunk_start)
        kept = np.flatnonzero(rows)
        place = {int(old): new for new, old in enumerate(kept)}
        columns = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name not in ("chunk_start", "chunk_us", "details")
        }
        return SampleTable(
            **columns,
            chunk_start=_starts(counts[rows]),
            chunk_us=self.chunk_us[np.repeat(rows, counts)],
            details={place[i]: text for i, text in self.details.items() if i in place},
        )


def table_of(samples: Sequence[RequestSample]) -> SampleTable:
    """Samples by the column, sorted by `(scheduled_s, index)`."""
    rows = sorted(samples, key=lambda sample: (sample.scheduled_s, sample.index))
    offsets = [
        round((at_s - (row.sent_s or 0.0)) * MICROSECONDS_PER_S)
        for row in rows
        for at_s in row.chunk_s
    ]
    return SampleTable(
        index=np.array([row.index for row in rows], dtype=np.int64),
        scheduled_s=np.array([row.scheduled_s for row in rows], dtype=np.float64),
        sent_s=_floats([row.sent_s for row in rows]),
        end_s=_floats([row.end_s for row in rows]),
        input_tokens=_floats([row.input_tokens for row in rows]),
        output_tokens=_floats([row.output_tokens for row in rows]),
        outcome=np.array([OUTCOMES.index(row.outcome) for row in rows], dtype=np.int64),
        status=np.array([row.status or 0 for row in rows], dtype=np.int64),
        stage=np.array([row.stage for row in rows], dtype=np.int64),
        session=np.array([row.session for row in rows], dtype=np.int64),
        turn=np.array([row.turn for row in rows], dtype=np.int64),
        token_source=np.array(
            [TOKEN_SOURCES.index(row.token_source) for row in rows], dtype=np.int64
        ),
        chunk_start=_starts(np.array([len(row.chunk_s) for row in rows], dtype=np.int64)),
        chunk_us=np.array(offsets, dtype=np.uint32),
        details={i: row.detail for i, row in enumerate(rows) if row.detail},
    )


def pack(table: SampleTable) -> bytes:
    """The stored form; equal samples give equal bytes."""
    columns = {
        field.name: getattr(table, field.name) for field in fields(table) if field.name != "details"
    }
    archive = io.BytesIO()
    np.savez(
        archive,
        schema_version=np.array(SCHEMA_VERSION),
        detail_row=np.array(list(table.details), dtype=np.int64),
        detail_text=np.array(list(table.details.values()), dtype=np.str_),
        **columns,
    )
    return archive.getvalue()


def unpack(data: bytes) -> SampleTable:
    """What `pack` stored. Raises ValueError or KeyError when it is something else."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        version = int(archive["schema_version"])
        if version != SCHEMA_VERSION:
            raise ValueError(f"samples have schema version {version}, this program reads 1")
        columns = {
            field.name: archive[field.name]
            for field in fields(SampleTable)
            if field.name != "details"
        }
        rows, texts = archive["detail_row"], archive["detail_text"]
    details = {int(row): str(text) for row, text in zip(rows, texts, strict=True)}
    return SampleTable(**columns, details=details)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _starts(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
