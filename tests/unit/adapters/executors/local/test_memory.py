"""One process is counted by its high-water mark, several by their shares."""

import psutil
import pytest

from paceline.adapters.executors.local import memory


class Tree:
    """A process tree of the test's making."""

    def __init__(self, *shares: int) -> None:
        self.shares = shares

    def children(self, *, recursive: bool) -> list[int]:
        assert recursive
        return list(range(len(self.shares)))


@pytest.fixture
def grow(monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(10, 20)
    monkeypatch.setattr(psutil, "Process", lambda _root: tree)
    monkeypatch.setattr(memory, "_proportional_bytes", lambda process: tree.shares[process])
    return tree


def test_shares_of_a_tree_add_up(grow: Tree) -> None:
    assert memory.tree_bytes(1) == 30
    grow.shares = ()
    assert memory.tree_bytes(1) == 0


def test_the_peak_stays_when_the_tree_shrinks(grow: Tree) -> None:
    watch = memory.MemoryWatch(1)
    grow.shares = (2**30, 2**30)
    assert watch.peak_gib() == 2.0
    grow.shares = ()
    assert watch.peak_gib() == 2.0
    watch.stop()


def test_nothing_seen_is_unknown(grow: Tree) -> None:
    grow.shares = ()
    watch = memory.MemoryWatch(1)
    assert watch.peak_gib() is None
    watch.stop()


def test_a_root_that_is_gone_has_nothing_below(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(root: int) -> Tree:
        raise psutil.NoSuchProcess(root)

    monkeypatch.setattr(psutil, "Process", gone)
    assert memory.tree_bytes(1) == 0
