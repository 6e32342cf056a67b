"""The example files fit the program: they ask for metrics that exist."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "examples/monitoring"
SERIES = re.compile(r"\bpaceline_[a-z_]+")
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def documented() -> set[str]:
    pages = [ROOT / "docs/reference/http.md", *(ROOT / "docs/guides").glob("*.md")]
    return {name for page in pages for name in SERIES.findall(page.read_text())}


def expressions(name: str) -> list[str]:
    if name == "alerts.yml":
        groups = yaml.safe_load((MONITORING / name).read_text())["groups"]
        return [rule["expr"] for group in groups for rule in group["rules"]]
    panels = json.loads((MONITORING / name).read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("name", ["alerts.yml", "dashboard.json"])
def test_it_asks_for_metrics_that_are_documented(name: str) -> None:
    asked = {
        SUFFIXES.sub("", series) for text in expressions(name) for series in SERIES.findall(text)
    }
    assert len(asked) > 5
    assert asked <= documented()


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in groups[0]["rules"]:
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_clients_do_wrong_alerts_nobody() -> None:
    """One key over its limit is that key's affair: 4xx are in no alert's count."""
    for text in expressions("alerts.yml"):
        assert 'ended=~"failed|refused"' not in text
        assert ("requests_total" in text) <= ('status!~"4.."' in text)


def test_no_two_panels_overlap() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
