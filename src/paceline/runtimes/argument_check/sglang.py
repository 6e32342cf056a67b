"""What SGLang (0.5.23) says of command lines, by its own parser, which needs no card.

Seen: unknown flags and values that a flag does not take. What depends on the model or the card is
worked out by SGLang only when it starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from sglang.srt.server_args import prepare_server_args

from paceline.runtimes.argument_check.answer import answer


def judge(argv: Sequence[str]) -> None:
    """Parse as `python -m sglang.launch_server` does; the module's name is not part of it."""
    prepare_server_args(list(argv))


if __name__ == "__main__":
    answer(judge)
