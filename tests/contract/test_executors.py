"""Every executor against the contract."""

import pytest

from paceline.adapters.executors.local import LocalExecutor
from paceline.ports.executor import Executor
from paceline.testing.executors import ExecutorContract


class TestLocal(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalExecutor()

    @pytest.fixture
    def executor_source(self) -> str:
        return (
            "from paceline.adapters.executors.local import LocalExecutor\n"
            "executor = LocalExecutor()"
        )
