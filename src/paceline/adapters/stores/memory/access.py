"""The Access port in this process's memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from paceline.errors import Code, SpecError
from paceline.ports.store import StaleWrite
from paceline.records.access import ApiKey, Workspace
from paceline.records.gateway import Ended, UsageLine
from paceline.records.run import AuditEvent
from paceline.records.usage import (
    NOBODY,
    PricedLine,
    ReplicaShare,
    SpoolPosition,
    UsageBy,
    UsageTotal,
)


class MemoryAccess:
    """Everything in lists; gone with the process."""

    def __init__(self, note: Callable[[AuditEvent], None]) -> None:
        self._note = note
        self._keys: dict[str, ApiKey] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._lines: list[PricedLine] = []
        self._positions: dict[str, SpoolPosition] = {}

    def add_key(self, key: ApiKey, *, notes: Sequence[AuditEvent] = ()) -> None:
        if key.key_id in self._keys or key.digest in {k.digest for k in self._keys.values()}:
            raise StaleWrite(f"key {key.key_id} is already stored")
        self._keys[key.key_id] = key
        self._note_all(notes)

    def stored_keys(self, *, workspace: str | None = None) -> tuple[ApiKey, ...]:
        return tuple(
            key for key in self._keys.values() if workspace is None or key.workspace == workspace
        )

    def end_key(
        self,
        key_id: str,
        *,
        expires_at_utc: str | None = None,
        revoked_at_utc: str | None = None,
        notes: Sequence[AuditEvent] = (),
    ) -> ApiKey:
        key = self._keys.get(key_id)
        if key is None:
            known = ", ".join(self._keys)
            raise SpecError(
                Code.UNKNOWN_NAME,
                f"no key is called {key_id!r}",
                why=f"known: {known}" if known else "no key was made yet",
                fix="paceline keys list",
            )
        self._keys[key_id] = replace(
            key,
            expires_at_utc=expires_at_utc or key.expires_at_utc,
            revoked_at_utc=revoked_at_utc or key.revoked_at_utc,
        )
        self._note_all(notes)
        return self._keys[key_id]

    def put_workspace(self, workspace: Workspace, *, notes: Sequence[AuditEvent] = ()) -> None:
        self._workspaces[workspace.name] = workspace
        self._note_all(notes)

    def workspaces(self) -> tuple[Workspace, ...]:
        return tuple(self._workspaces[name] for name in sorted(self._workspaces))

    def position(self, spool: str) -> SpoolPosition:
        return self._positions.get(spool, SpoolPosition())

    def account(self, spool: str, lines: Sequence[PricedLine], position: SpoolPosition) -> None:
        for priced in lines:
            began = self._began(priced.line)
            if began is None:
                self._lines.append(priced)
            else:
                self._lines[began] = priced
        self._positions[spool] = position

    def usage(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[UsageTotal, ...]:
        groups: dict[str, list[PricedLine]] = {}
        for priced in self._within(since_s, until_s):
            groups.setdefault(_group(priced.line, by), []).append(priced)
        return tuple(_total(group, groups[group]) for group in sorted(groups))

    def replica_shares(
        self, *, by: UsageBy, since_s: float = 0.0, until_s: float | None = None
    ) -> tuple[ReplicaShare, ...]:
        sums: dict[tuple[str, str], float] = {}
        for priced in self._within(since_s, until_s):
            if priced.replica_s is not None and priced.line.replica_id is not None:
                same = _group(priced.line, by), priced.line.replica_id
                sums[same] = sums.get(same, 0.0) + priced.replica_s
        return tuple(
            ReplicaShare(group=group, replica_id=replica_id, replica_s=sums[group, replica_id])
            for group, replica_id in sorted(sums)
        )

    def spent_usd(self, *, by: UsageBy, since_s: float) -> Mapping[str, float]:
        spent: dict[str, float] = {}
        for priced in self._lines:
            group = _group(priced.line, by)
            if group != NOBODY and priced.line.at_s >= since_s:
                spent[group] = spent.get(group, 0.0) + priced.usd
        return spent

    def _within(self, since_s: float, until_s: float | None) -> Iterator[PricedLine]:
        for priced in self._lines:
            at_s = priced.line.at_s
            if at_s >= since_s and (until_s is None or at_s < until_s):
                yield priced

    def _note_all(self, notes: Sequence[AuditEvent]) -> None:
        for note in notes:
            self._note(note)

    def _began(self, line: UsageLine) -> int | None:
        if line.ended is Ended.BEGAN:
            return None
        return next(
            (
                index
                for index, kept in enumerate(self._lines)
                if kept.line.ended is Ended.BEGAN and kept.line.request_id == line.request_id
            ),
            None,
        )


def _group(line: UsageLine, by: UsageBy) -> str:
    match by:
        case UsageBy.ENDPOINT:
            return line.endpoint
        case UsageBy.KEY:
            return line.key_id or NOBODY
        case UsageBy.VERSION:
            return f"{line.endpoint}@{line.version}"
        case UsageBy.WORKSPACE:
            return line.workspace
        case UsageBy.DAY:
            return datetime.fromtimestamp(line.at_s, UTC).date().isoformat()
        case UsageBy.REQUEST:
            return line.request_id


def _total(group: str, lines: Sequence[PricedLine]) -> UsageTotal:
    ends = [priced.line.ended for priced in lines]
    ttft_s = [priced.line.ttft_s for priced in lines if priced.line.ttft_s is not None]
    return UsageTotal(
        group=group,
        requests=len(lines),
        ok=ends.count(Ended.OK),
        aborted=ends.count(Ended.ABORTED),
        failed=ends.count(Ended.FAILED),
        rejected=ends.count(Ended.REJECTED),
        refused=ends.count(Ended.REFUSED),
        unknown=ends.count(Ended.BEGAN),
        ttft_mean_s=sum(ttft_s) / len(ttft_s) if ttft_s else None,
        input_tokens=sum(priced.line.input_tokens for priced in lines),
        output_tokens=sum(priced.line.output_tokens for priced in lines),
        images=sum(priced.line.images for priced in lines),
        queue_s=sum(priced.line.queue_s for priced in lines),
        cold_s=sum(priced.line.cold_s for priced in lines),
        execution_s=sum(priced.line.execution_s for priced in lines),
        usd=sum(priced.usd for priced in lines),
    )
