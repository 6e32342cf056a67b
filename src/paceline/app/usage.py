"""From the gateway's spool to the account: every line once, whatever is killed in between."""

from collections.abc import Callable, Sequence
from pathlib import Path

from paceline.deploy.gateway.spool_reader import Position, delete_read, read_spool
from paceline.ports.access import Access
from paceline.records.gateway import UsageLine
from paceline.records.usage import PricedLine, SpoolPosition, UsageTotal

Price = Callable[[UsageLine], float]
"""What a request cost, in USD."""
OnLines = Callable[[Sequence[UsageLine]], None]
"""Told of lines that were accounted for."""


def account_spool(
    access: Access, folder: Path, *, spool: str, price: Price, on_lines: OnLines | None = None
) -> int:
    """Add what the gateway has written since the last call; how many lines it was.

    Lines and position are stored in one transaction, and files are deleted only after it, so a
    crash anywhere neither loses nor repeats a line. Raises what the store raises; then nothing of
    the last batch was added, and the next call reads it again.
    """
    count = 0
    while True:
        done = access.position(spool)
        read = read_spool(folder, Position(file=done.file, offset=done.offset))
        if read.position == Position(file=done.file, offset=done.offset):
            return count
        lines = [PricedLine(line=line, usd=price(line)) for line in read.lines]
        position = SpoolPosition(file=read.position.file, offset=read.position.offset)
        access.account(spool, lines, position)
        if on_lines is not None:
            on_lines(read.lines)
        delete_read(folder, read.position)
        count += len(lines)


def usage_document(total: UsageTotal) -> dict[str, object]:
    """One group as JSON."""
    return {
        "group": total.group,
        "requests": {
            "all": total.requests,
            "ok": total.ok,
            "aborted": total.aborted,
            "failed": total.failed,
            "rejected": total.rejected,
            "refused": total.refused,
            "unknown": total.unknown,
        },
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "images": total.images,
        "seconds": {
            "queue": round(total.queue_s, 3),
            "cold": round(total.cold_s, 3),
            "execution": round(total.execution_s, 3),
        },
        "usd": total.usd,
    }
