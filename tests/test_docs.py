"""The docs say what the code does: codes documented, links alive, commands real."""

import re
from pathlib import Path

import pytest

from paceline.cli.main import COMMANDS
from paceline.errors import Code

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_error_code_has_a_heading_and_no_heading_is_stale() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    assert set(re.findall(r"^## `([a-z-]+)`", text, re.MULTILINE)) == {code.value for code in Code}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{target} in {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page: Path) -> None:
    for command in re.findall(r"^\s*(?:\$ )?paceline ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert command in COMMANDS, f"`paceline {command}` in {page.name}"
