"""The tree below a process, read from /proc; the rest of the shim is under contract."""

import os
from pathlib import Path

from paceline.adapters.executors.local import shim


def test_the_parent_is_read_past_a_name_with_parentheses(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("7 (x) y) S 42 7 7 0")
    assert shim.parent_of(tmp_path) == 42


def test_a_process_that_is_gone_has_no_parent(tmp_path: Path) -> None:
    assert shim.parent_of(tmp_path / "absent") is None


def test_this_process_is_below_its_parent_and_not_below_itself() -> None:
    assert os.getpid() in shim.descendants(os.getppid())
    assert os.getpid() not in shim.descendants(os.getpid())


def test_cores_are_read_as_they_were_written() -> None:
    assert shim.written(()) == shim.ANY_CORE
    assert shim.read(shim.written(())) == set()
    assert shim.read(shim.written((0, 3, 12))) == {0, 3, 12}
