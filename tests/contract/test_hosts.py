"""Every host on its contract."""

import pytest

from paceline.adapters.hosts.linux import LinuxHost
from paceline.ports.host import Host
from paceline.testing.hosts import HostContract


class TestLinuxHost(HostContract):
    @pytest.fixture
    def host(self) -> Host:
        return LinuxHost()
