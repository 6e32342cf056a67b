"""Temporary folders end with whoever made them, also when that one was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from paceline import scratch
from paceline.errors import SetupError
from paceline.scratch import remove_abandoned, scratch_folder

HOLDER = """
import sys
from paceline import scratch
scratch.LONGEST_BASE_BYTES = 4096
with scratch.scratch_folder("engine") as folder:
    (folder.path / "socket").touch()
    print(folder.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(scratch, "LONGEST_BASE_BYTES", 4096)
    return tmp_path


def test_a_folder_is_this_users_alone_and_goes_with_its_context(temporary: Path) -> None:
    with scratch_folder("load") as folder:
        assert folder.path.parent == temporary
        assert folder.path.stat().st_mode & 0o777 == 0o700
        (folder.path / "deep").mkdir()
        (folder.path / "deep" / "file").write_text("x")
    assert list(temporary.iterdir()) == []


def test_it_goes_when_the_work_in_it_fails_or_took_it_away(temporary: Path) -> None:
    with pytest.raises(KeyError), scratch_folder("load"):
        raise KeyError
    with scratch_folder("load") as folder:
        folder.path.rmdir()
    assert list(temporary.iterdir()) == []


def test_what_is_in_use_stays(temporary: Path) -> None:
    with scratch_folder("engine") as folder:
        assert remove_abandoned() == ()
        with scratch_folder("engine") as other:
            assert other.path != folder.path
        assert list(temporary.iterdir()) == [folder.path]


def test_a_child_that_got_the_lock_keeps_the_folder_of_a_parent_that_is_gone() -> None:
    reading, writing = os.pipe()
    with scratch_folder("engine") as folder:
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", f"import os; os.read({reading}, 1)"],
            pass_fds=(reading, folder.lock),
        )
        os.close(reading)
        with open(os.devnull) as nothing:  # noqa: PTH123 - a descriptor to put in its place
            os.dup2(nothing.fileno(), folder.lock, inheritable=False)
        assert remove_abandoned() == ()
        os.close(writing)
        child.wait()
        assert remove_abandoned() == (folder.path,)


def test_what_a_killed_process_left_goes_when_the_next_one_makes_its_own(temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,  # it ends with the test, whatever becomes of that
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        assert remove_abandoned() == ()
        process.send_signal(signal.SIGKILL)
    assert (left / "socket").exists()
    with scratch_folder("engine"):
        assert not left.exists()


def test_nothing_else_in_the_temporary_folder_is_touched(temporary: Path) -> None:
    target = temporary / "target"
    target.mkdir()
    (target / "kept").touch()
    (temporary / "paceline.engine-abcdefgh").symlink_to(target)
    (temporary / "paceline.engine-file1234").touch()
    (temporary / "paceline.engine-notours").mkdir()
    (temporary / "paceline-1000").mkdir()
    assert remove_abandoned() == ()
    assert len(list(temporary.iterdir())) == 5
    assert (target / "kept").exists()


def test_where_no_folder_can_be_made_the_message_names_the_variable(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(temporary / "absent"))
    with pytest.raises(SetupError, match="TMPDIR") as caught, scratch_folder("load"):
        pytest.fail("there is no such folder")
    assert "absent" in caught.value.why


def test_a_folder_for_sockets_lies_elsewhere_where_the_temporary_folder_has_a_long_name(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path takes 107 bytes, and engines put theirs below."""
    short = temporary / "s"
    short.mkdir()
    monkeypatch.setattr(scratch, "SHORT", short)
    with scratch_folder("engine", for_sockets=True) as folder:
        assert folder.path.parent == temporary
    monkeypatch.setattr(scratch, "LONGEST_BASE_BYTES", len(os.fsencode(temporary)) - 1)
    with scratch_folder("engine", for_sockets=True) as folder, scratch_folder("load") as other:
        assert folder.path.parent == short
        assert other.path.parent == temporary
        abandoned = short / "paceline.engine-abcdefgh"
        abandoned.mkdir()
        assert remove_abandoned() == (abandoned,)
    monkeypatch.setattr(scratch, "SHORT", temporary / "absent")
    with scratch_folder("engine", for_sockets=True) as folder:
        assert folder.path.parent == temporary
