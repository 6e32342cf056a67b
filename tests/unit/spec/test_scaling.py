"""Policy files: everything they may say, and the line of everything they may not."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from paceline.errors import Code, SpecError
from paceline.records.scaling import (
    Bounds,
    Mode,
    PacelinePolicy,
    Replica,
    RequestCountPolicy,
    ServicePoint,
)
from paceline.spec.scaling import KEYS_PAGE, POLICIES, named_policy, policy_name, read_policy

FULL = """\
version: 1
policy: paceline
bounds: {min_replicas: 1, max_replicas: 8, budget_usd_per_hour: 20}
settings:
  mode: active
  queue_delay: 2500ms
  idle_timeout: 5m
  stable: 30
  target_share: 0.6
replica:
  concurrency: 16
  cold_start: 45s
  cold_start_p90: 1m
  usd_per_hour: 0.69
  service:
    - {concurrency: 4, ttft_ms: 552, tpot_ms: 7.1}
    - {concurrency: 16, ttft_ms: 1001, tpot_ms: 13.3}
"""


def test_a_file_says_everything() -> None:
    file = read_policy(FULL, "p.yaml")
    assert file.policy == PacelinePolicy(
        bounds=Bounds(min_replicas=1, max_replicas=8, budget_usd_per_hour=20),
        mode=Mode.ACTIVE,
        queue_delay_s=2.5,
        idle_timeout_s=300.0,
        stable_s=30,
        target_share=0.6,
    )
    assert file.replica == Replica(
        concurrency=16,
        cold_start_s=45.0,
        cold_start_p90_s=60.0,
        usd_per_hour=0.69,
        service=(
            ServicePoint(concurrency=4, ttft_ms=552, tpot_ms=7.1),
            ServicePoint(concurrency=16, ttft_ms=1001, tpot_ms=13.3),
        ),
    )


def test_all_but_the_version_may_be_left_out() -> None:
    file = read_policy("version: 1\n", "p.yaml")
    assert (file.policy, file.replica) == (PacelinePolicy(), None)


def test_a_whole_number_setting_stays_one() -> None:
    text = "version: 1\npolicy: request_count\nsettings: {request_count: 2}\n"
    assert read_policy(text, "p.yaml").policy == RequestCountPolicy(request_count=2)


@pytest.mark.parametrize("name", POLICIES)
def test_every_name_is_a_policy_with_its_defaults(name: str) -> None:
    assert policy_name(named_policy(name)) == name
    assert read_policy(f"version: 1\npolicy: {name}\n", "p.yaml").policy == named_policy(name)


def test_a_name_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        named_policy("queue-delay")
    assert caught.value.code is Code.UNKNOWN_NAME
    assert caught.value.fix == "write 'queue_delay'"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("version: 1", "policies: 1", 1, "version: 1"),
        ("version: 1", "version: 2", 1, "it holds 2"),
        ("policy: paceline", "policy: magic", 2, "it holds 'magic'"),
        ("max_replicas: 8", "max_replicas: 0", 3, "greater than or equal to 1"),
        ("min_replicas: 1", "min_replicas: 9", 3, "8 is below min_replicas, 9"),
        ("mode: active", "mode: lazy", 5, "it holds 'lazy'"),
        ("queue_delay: 2500ms", "queue_delay: soon", 6, "it holds 'soon'"),
        ("idle_timeout: 5m", "idle_time: 5m", 7, "there is no such key"),
        ("idle_timeout: 5m", "request_count: 4", 7, "the policy paceline has no such setting"),
        ("stable: 30", "stable: 61", 8, "less than or equal to 60"),
        ("target_share: 0.6", "target_share: 1.6", 9, "less than or equal to 1"),
        ("concurrency: 16\n  cold", "concurrency: 0\n  cold", 11, "it holds 0"),
        ("cold_start: 45s", "cold_start: -1", 12, "it holds -1"),
        ("cold_start_p90: 1m", "cold_start_p90: 4s", 13, "4 s is below the median, 45 s"),
        ("usd_per_hour: 0.69", "usd_per_hour: .nan", 14, "it holds nan"),
        ("tpot_ms: 7.1", "tpot_ms: 0", 16, "greater than 0"),
        ("concurrency: 16, ttft", "concurrency: 4, ttft", 17, "4 does not rise from 4"),
        ("  service:", "  services:", 15, "there is no such key"),
        ("  mode: active", "  mode: active\n  mode: flex", 6, "the key was given in line 5"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    assert old in FULL
    with pytest.raises(SpecError) as caught:
        read_policy(FULL.replace(old, new, 1), "p.yaml")
    assert caught.value.code is Code.BAD_INPUT_FILE
    assert f"p.yaml, line {line}:" in caught.value.what
    assert says in caught.value.why
    assert "docs/guides/autoscale.md" in caught.value.fix


def test_the_page_that_errors_name_has_every_key_and_an_example_that_can_be_read() -> None:
    page = (Path(__file__).parents[3] / KEYS_PAGE).read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_policy(example, "mine.yaml").replica is not None
    named = set(re.findall(r"[a-z_0-9]+", page))
    settings = {field.name for policy in POLICIES.values() for field in fields(policy)}
    settings |= {field.name for field in fields(Replica)} - {"cold_start_budget_s"}
    assert {name for name in settings if not {name, name.removesuffix("_s")} & named} == set()
