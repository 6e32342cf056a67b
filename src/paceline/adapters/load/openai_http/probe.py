"""One or two requests before the load: what is wrong with an endpoint is said here, once.

The two requests have prompts of different lengths, which tells how many tokens a word costs.
"""

import http.client
import json
import select
import time
from dataclasses import dataclass, replace
from typing import Final

from paceline.adapters.load.openai_http.answer import Answer
from paceline.adapters.load.openai_http.bodies import Bodies
from paceline.adapters.load.openai_http.connection import (
    NO_TLS,
    READABLE,
    WRITABLE,
    Broken,
    dial,
)
from paceline.adapters.load.openai_http.endpoint import Endpoint, base_path, tls_context, url_of
from paceline.adapters.load.openai_http.pace import Share, Turn
from paceline.adapters.load.openai_http.texts import WordTexts, english_words, texts_for
from paceline.errors import Code, SetupError, SpecError
from paceline.records.load import Probe, Route, Target
from paceline.records.load_plan import ClientSettings, LoadPlan, PlannedRequest
from paceline.records.samples import Outcome
from paceline.units import MS_PER_S

SHORT_WORDS: Final = 8
LONG_WORDS: Final = (32, 1024)
"""The long probe is as long as the load's prompts, within these bounds."""
OUTPUT_TOKENS: Final = 2
MORE_TOKENS: Final = 16
"""Asked for when that few gave no text: two tokens may be parts of one character."""
UNKNOWN: Final = Probe(
    streams=True,
    sends_usage=False,
    accepts_usage_option=True,
    tokens_per_request=None,
    tokens_per_word=None,
    ttft_ms=0.0,
    e2e_ms=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one probe request ended. `sent_s` and `end_s` on the monotonic clock."""

    outcome: Outcome
    answer: Answer
    sent_s: float
    end_s: float
    detail: str


def probe_endpoint(target: Target, plan: LoadPlan, endpoint: Endpoint) -> Probe:
    """Ask and learn. Raises SetupError or SpecError with what the endpoint does wrong."""
    asker = _Asker(target, plan, endpoint)
    learned = UNKNOWN
    reply = asker.ask(SHORT_WORDS, learned)
    if _refuses_usage_option(reply):
        learned = replace(learned, accepts_usage_option=False)
        reply = asker.ask(SHORT_WORDS, learned)
    if reply.outcome is Outcome.EMPTY:
        reply = asker.ask(SHORT_WORDS, learned, output_tokens=MORE_TOKENS)
    _check(target, reply, plan.settings)
    learned = replace(
        learned,
        streams=reply.answer.streamed,
        sends_usage=reply.answer.output_tokens is not None,
        ttft_ms=(reply.answer.stamps[0] - reply.sent_s) * MS_PER_S,
        e2e_ms=(reply.answer.stamps[-1] - reply.sent_s) * MS_PER_S,
        notes=_notes(target, reply, plan.settings),
    )
    counted = reply.answer.input_tokens
    if counted is None or plan.prompts or not target.route.streams:
        return learned
    if plan.settings.tokenizer_path is not None:
        # Only the fixed cost of a request (chat template) is left to learn.
        own = texts_for(plan, None).count(asker.text(SHORT_WORDS)) or 0
        return replace(learned, tokens_per_request=float(max(0, counted - own)))
    return _calibrated(asker, learned, counted)


class _Asker:
    """Sends probe requests of a wanted number of words."""

    def __init__(self, target: Target, plan: LoadPlan, endpoint: Endpoint) -> None:
        self._target = target
        self._plan = plan
        self._endpoint = endpoint
        self._words = WordTexts(english_words(), seed=plan.seed, tokens_per_word=1.0)
        self.mean_tokens = sum(row.input_tokens for row in plan.rows) // len(plan.rows)

    def text(self, words: int) -> str:
        return self._words.text(words, "0.0")

    def ask(self, words: int, learned: Probe, *, output_tokens: int = OUTPUT_TOKENS) -> Reply:
        row = PlannedRequest(
            due_s=None,
            input_tokens=words,
            output_tokens=output_tokens,
            session=0,
            prompt=0 if self._plan.prompts else None,
        )
        single = replace(self._plan, rows=(row,))
        # No overhead is taken off: the number of words is what is wanted here.
        as_words = replace(learned, tokens_per_request=None)
        bodies = Bodies(self._target, single, as_words, self._words, Share())
        turn = Turn(serial=0, occurrence=0, row=row, stage=0, scheduled_s=0.0, allowed_s=0.0)
        request = self._endpoint.request(f"probe-{words}", bodies.body(turn))
        return ask(self._endpoint, request, self._target.route, self._plan.settings)


def _calibrated(asker: _Asker, learned: Probe, short_tokens: int) -> Probe:
    """A second, longer prompt: two points make the line of tokens over words."""
    long_words = min(max(asker.mean_tokens, LONG_WORDS[0]), LONG_WORDS[1])
    reply = asker.ask(long_words, learned)
    counted = reply.answer.input_tokens
    if reply.outcome not in (Outcome.OK, Outcome.EMPTY) or counted is None:
        note = f"prompt lengths are approximate: a probe of {long_words} words failed"
        return replace(learned, notes=(*learned.notes, f"{note} ({reply.detail})"))
    per_word = (counted - short_tokens) / (long_words - SHORT_WORDS)
    if per_word <= 0:
        note = "prompt lengths are approximate: the server counts no more tokens for more words"
        return replace(learned, notes=(*learned.notes, note))
    per_request = max(0.0, short_tokens - per_word * SHORT_WORDS)
    return replace(learned, tokens_per_word=per_word, tokens_per_request=per_request)


def ask(endpoint: Endpoint, request: bytes, route: Route, settings: ClientSettings) -> Reply:
    """Send one request on a connection of its own and wait for the end of the answer."""
    answer = Answer(route)
    done: list[float] = []
    connection = dial(
        endpoint,
        tls=tls_context() if endpoint.tls else None,
        finished=lambda _: done.append(time.monotonic()),
    )
    poll = select.poll()
    sent_s, outcome, detail = time.monotonic(), Outcome.TIMED_OUT, "no complete answer"
    limit_s = sent_s + settings.timeout_s
    try:
        while not done and time.monotonic() < limit_s:
            poll.register(connection.fd, WRITABLE if connection.wants_write else READABLE)
            for _, bits in poll.poll(100):
                if bits & select.POLLOUT:
                    connection.advance()
                if bits & ~select.POLLOUT:
                    _, data = connection.receive()
                    if not data:
                        shaking = endpoint.tls and not connection.ready
                        raise Broken(f"{NO_TLS * shaking}the server closed the connection")  # noqa: TRY301
                    connection.feed(data, time.monotonic())
                if connection.ready and connection.answer is None and not done:
                    sent_s = time.monotonic()
                    connection.send(request, answer)
        if done:
            outcome = answer.complete(done[0])
            detail = answer.detail or ""
    except (Broken, OSError) as error:
        outcome, detail = Outcome.RESET if answer.status is None else Outcome.TRUNCATED, str(error)
        if answer.status is not None and not connection.framed:
            outcome = answer.complete(time.monotonic())
            detail = answer.detail or ""
    finally:
        connection.close()
    return Reply(
        outcome=outcome, answer=answer, sent_s=sent_s, end_s=time.monotonic(), detail=detail
    )


def _refuses_usage_option(reply: Reply) -> bool:
    return reply.answer.status in (400, 422) and "stream_options" in reply.detail


def _check(target: Target, reply: Reply, settings: ClientSettings) -> None:
    """Raise what the endpoint does wrong, if it does."""
    status = reply.answer.status
    where = f"{target.base_url!r} ({target.route.value})"
    if status in (401, 403):
        given = "the key that was given" if target.api_key else "a request without a key"
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"{where} refuses {given}",
            why=reply.detail,
            fix="give a valid key with --api-key or PACELINE_API_KEY",
        )
    if status in (400, 404, 422) and "model" in reply.detail.lower():
        listed = _models_of(target)
        if repr(target.model) not in listed:  # of one that it has, something else is wrong
            raise SpecError(
                Code.UNKNOWN_NAME,
                f"{where} does not serve the model {target.model!r}",
                why=f"{reply.detail}; it lists: {listed}",
                fix="name one of the listed models with --model",
            )
    if reply.detail.startswith(NO_TLS):
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"no TLS connection to {target.base_url!r}",
            why=reply.detail,
            fix="name the authority that signed its certificate with SSL_CERT_FILE=FILE; write"
            " http:// if the server speaks no TLS",
        )
    if reply.outcome is Outcome.TIMED_OUT:
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"{where} did not answer one short request",
            why=f"nothing complete came within {settings.timeout_s:g} s",
            fix="look at the server's log, or raise --timeout",
        )
    if reply.outcome is not Outcome.OK:
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"{where} does not answer as this route promises ({reply.outcome})",
            why=reply.detail,
            fix="check that the URL is an OpenAI-compatible server and the route is right",
        )
    if target.route.streams and not reply.answer.streamed:
        raise SetupError(
            Code.ENDPOINT_FAILED,
            f"{where} does not stream",
            why='it answered a request with "stream": true by one JSON document; times to the'
            " first token and between tokens cannot be measured",
            fix="turn streaming on in the server",
        )


def _notes(target: Target, reply: Reply, settings: ClientSettings) -> tuple[str, ...]:
    if reply.answer.output_tokens is not None or not target.route.streams:
        return ()
    by = "the tokenizer" if settings.tokenizer_path else "chunks"
    return (f"the server sends no usage: output tokens are counted by {by}",)


def _models_of(target: Target) -> str:
    """Names from `/v1/models`, for the error text only; a failure is said there, too."""
    url = url_of(target)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc.rpartition("@")[2], timeout=5)
    headers = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    try:
        connection.request("GET", f"{base_path(url)}/v1/models", headers=headers)
        models = json.loads(connection.getresponse().read())["data"]
        return ", ".join(repr(model["id"]) for model in models) or "(none)"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"(/v1/models could not be read: {error})"
    finally:
        connection.close()
