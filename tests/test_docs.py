"""The docs say what the code does: codes documented, links alive, commands real."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from paceline.app.registry import usable_engines
from paceline.cli.main import COMMANDS, build
from paceline.errors import Code
from paceline.ports.engine import Engine

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_error_code_has_a_heading_and_no_heading_is_stale() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text()
    assert set(re.findall(r"^## `([a-z-]+)`", text, re.MULTILINE)) == {code.value for code in Code}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), f"{target} in {page.name}"
        assert not anchor or anchor in anchors_of(found), f"{target}#{anchor} in {page.name}"


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page: Path) -> None:
    for command in re.findall(r"^\s*(?:\$ )?paceline ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert command in COMMANDS, f"`paceline {command}` in {page.name}"


def commands_under(group: object, *above: str) -> Iterator[str]:
    for name, command in getattr(group, "commands", {}).items():
        yield " ".join((*above, name))
        yield from commands_under(command, *above, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help_in_the_reference(name: str) -> None:
    known = [path for path in commands_under(get_command(build(name))) if path.split()[0] == name]
    text = (ROOT / "docs/reference/cli.md").read_text()
    headings = re.findall(r"^#+ `paceline (.+)`$", text, re.MULTILINE)
    assert [path for path in known if path not in headings] == []
    assert [path for path in headings if path.split()[0] == name and path not in known] == []


def test_every_environment_variable_is_documented() -> None:
    """But the mark by which the executor finds what it has left behind."""
    sources = [*(ROOT / "src").rglob("*.py"), ROOT / "hatch_build.py"]
    texts = (path.read_text() for path in sources)
    read = {name for text in texts for name in re.findall(r"\bPACELINE_[A-Z_]*[A-Z]\b", text)}
    page = (ROOT / "docs/reference/environment.md").read_text()
    assert read - {"PACELINE_OWNER"} == set(
        re.findall(r"^\| `(PACELINE_[A-Z_]*[A-Z])`", page, re.M)
    )


@pytest.mark.parametrize("engine", usable_engines().values(), ids=lambda engine: engine.name)
def test_the_guide_has_every_format_and_every_value_of_a_knob(engine: Engine) -> None:
    text = (ROOT / "docs/guides/engines.md").read_text()
    (row,) = re.findall(
        rf"^\| `{engine.name}` .*\d.*$", text.partition("## Knobs")[0], re.MULTILINE
    )
    assert [name for name in engine.formats() if not re.search(rf"\b{name}\b", row)] == []
    for knob in engine.knobs():
        values = ", ".join(str(value).lower() for value in knob.values)
        assert f"`{knob.name}`" in text
        assert values in text, f"{engine.name}: {knob.name} {values}"
