"""What vLLM (0.32) says of command lines, by its own argument and configuration classes.

Seen: unknown flags, values out of range, sizes that do not divide the model's heads, limits that
contradict each other. Not seen: memory, missing kernels, missing cards.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.cli.serve import cmd_init
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

from paceline.runtimes.argument_check.answer import answer


def judge(argv: Sequence[str]) -> None:
    """Do what `vllm serve` does up to the point where it would start processes."""
    parser = FlexibleArgumentParser(prog="vllm")
    commands = cmd_init()
    subparsers = parser.add_subparsers(dest="subparser")
    for command in commands:
        command.subparser_init(subparsers)
    args = parser.parse_args(list(argv))
    commands[0].validate(args)
    args.model = args.model_tag
    try:
        arguments = AsyncEngineArgs.from_cli_args(args)
        arguments.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    except ValidationError as error:  # its text repeats all arguments; the message is enough
        raise ValueError(error.errors()[0]["msg"]) from error


if __name__ == "__main__":
    answer(judge)
