"""From the gateway's spool to the account: every line once, whatever is killed in between."""

from collections.abc import Callable, Sequence
from pathlib import Path

from paceline.deploy.gateway.spool_reader import Position, delete_read, read_spool
from paceline.deploy.shares import Shares
from paceline.ports.access import Access
from paceline.records.gateway import Ended, UsageLine
from paceline.records.usage import PricedLine, SpoolPosition

Price = Callable[[UsageLine], float]
"""What a request cost, in USD."""
OnLines = Callable[[Sequence[UsageLine]], None]
"""Told of lines that were accounted for."""


def account_spool(
    access: Access,
    folder: Path,
    *,
    spool: str,
    price: Price,
    shares: Shares | None = None,
    on_lines: OnLines | None = None,
) -> int:
    """Add what the gateway has written since the last call; how many lines it was.

    Lines and position are stored in one transaction, and files are deleted only after it, so a
    crash anywhere neither loses nor repeats a line. Raises what the store raises; then nothing of
    the last batch was added, and the next call reads it again. `shares` divides the time of
    replicas and goes on from call to call.
    """
    count, kept = 0, Shares() if shares is None else shares
    while True:
        done = access.position(spool)
        read = read_spool(folder, Position(file=done.file, offset=done.offset))
        if read.position == Position(file=done.file, offset=done.offset):
            return count
        tried = kept.copy()
        lines = [
            PricedLine(line=line, usd=price(line), replica_s=replica_s)
            for line, replica_s in [(line, tried.take(line)) for line in read.lines]
            if line.ended is not Ended.MOVED  # it has begun already, and its end is to come
        ]
        position = SpoolPosition(file=read.position.file, offset=read.position.offset)
        access.account(spool, lines, position)
        kept.become(tried)
        if on_lines is not None:
            on_lines(read.lines)
        delete_read(folder, read.position)
        count += len(read.lines)
