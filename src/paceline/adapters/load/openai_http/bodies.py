"""Request bodies: what each route wants to see, made ahead of time while nothing else waits."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import orjson

from paceline.adapters.load.openai_http.pace import Share, Turn, sessions_of
from paceline.adapters.load.openai_http.texts import Texts
from paceline.records.image import MOST_SEED
from paceline.records.load import Probe, Route, Target
from paceline.records.load_plan import LoadPlan, PlannedRequest

AHEAD_REQUESTS: Final = 512
AHEAD_BYTES: Final = 32 * 1024 * 1024

Chat = list[dict[str, str]]


class Bodies:
    """Bodies of one process's requests.

    First turns are made ahead (`make_one_ahead`), in the order in which sessions start; later
    turns need the answers before them and are made when they are due.
    """

    def __init__(
        self, target: Target, plan: LoadPlan, probe: Probe, texts: Texts, share: Share
    ) -> None:
        self._route = target.route
        self._plan = plan
        self._texts = texts
        self._share = share
        self._fixed = _fixed_fields(target, plan, probe)
        self._overhead_tokens = round(probe.tokens_per_request or 0)
        self._sessions = sessions_of(plan.rows)
        self._ahead: deque[tuple[int, bytes]] = deque()
        self._ahead_bytes = 0
        self._made = 0
        self._chats: dict[int, Chat] = {}
        self._prefixes: dict[int, str] = {}

    def body(self, turn: Turn) -> bytes:
        """The body of a turn; the history of its session is kept until `forget`."""
        if turn.row.turn == 0 and self._ahead and self._ahead[0][0] == turn.occurrence:
            body = self._ahead.popleft()[1]
            self._ahead_bytes -= len(body)
            if turn.later:
                self._chats[turn.occurrence] = self._new_messages(turn.row, turn.occurrence)
            return body
        chat = self._chats.get(turn.occurrence, [])
        chat = chat + self._new_messages(turn.row, turn.occurrence)
        if turn.later:
            self._chats[turn.occurrence] = chat
        return self._encode(turn.row, chat, turn.occurrence)

    def answered(self, turn: Turn, text: str) -> None:
        """Put an answer into the history, where the session goes on."""
        if turn.later:
            self._chats[turn.occurrence].append({"role": "assistant", "content": text})

    def forget(self, turn: Turn) -> None:
        """The session is over."""
        self._chats.pop(turn.occurrence, None)

    def make_one_ahead(self) -> bool:
        """Make the next first turn; `False` when enough are waiting."""
        if len(self._ahead) >= AHEAD_REQUESTS or self._ahead_bytes >= AHEAD_BYTES:
            return False
        number = self._made * self._share.of + self._share.index
        if self._plan.open_loop and number >= len(self._sessions):
            return False
        row = self._sessions[number % len(self._sessions)][0]
        body = self._encode(row, self._new_messages(row, number), number)
        self._ahead.append((number, body))
        self._ahead_bytes += len(body)
        self._made += 1
        return True

    def _new_messages(self, row: PlannedRequest, occurrence: int) -> Chat:
        if row.prompt is not None:
            messages = self._plan.prompts[row.prompt].messages
            return [{"role": message.role, "content": message.content} for message in messages]
        return [{"role": "user", "content": self._text(row, occurrence)}]

    def _text(self, row: PlannedRequest, occurrence: int) -> str:
        key = f"{occurrence}.{row.turn}"
        if row.turn > 0:
            return self._texts.text(row.input_tokens, key)
        wanted = max(1, row.input_tokens - self._overhead_tokens)
        return self._texts.text(wanted, key, after=self._prefix(row.prefix_group))

    def _prefix(self, group: int | None) -> str:
        if group is None:
            return ""
        if group not in self._prefixes:
            text = self._texts.text(self._plan.prefix_tokens, f"prefix {group}")
            self._prefixes[group] = text
        return self._prefixes[group]

    def _encode(self, row: PlannedRequest, chat: Chat, occurrence: int) -> bytes:
        fields: dict[str, Any] = dict(self._fixed)
        match self._route:
            case Route.CHAT:
                fields["messages"] = chat
            case Route.COMPLETIONS:
                fields["prompt"] = "\n".join(message["content"] for message in chat)
            case Route.EMBEDDINGS:
                fields["input"] = chat[-1]["content"]
            case Route.IMAGES:
                fields["prompt"] = chat[-1]["content"]
                if self._plan.settings.own_seeds:
                    fields["seed"] = (self._plan.seed + occurrence) % (MOST_SEED + 1)
        if self._route.streams:
            fields["max_tokens"] = row.output_tokens
            if self._plan.settings.exact_output:
                fields["min_tokens"] = row.output_tokens
        return orjson.dumps(fields)


def _fixed_fields(target: Target, plan: LoadPlan, probe: Probe) -> Mapping[str, Any]:
    fields: dict[str, Any] = {"model": target.model}
    if target.route.streams:
        fields["stream"] = True
        if probe.accepts_usage_option:
            fields["stream_options"] = {"include_usage": True}
        if plan.settings.exact_output:
            fields["ignore_eos"] = True
    return fields | dict(plan.settings.extra_body)
