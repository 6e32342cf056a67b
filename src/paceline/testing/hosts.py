"""What every host must do."""

from paceline.ports.host import Host
from paceline.records.hardware import HostFingerprint
from paceline.records.serial import pack, unpack


class HostContract:
    """Subclass it and give a fixture `host`."""

    def test_the_fingerprint_can_be_stored(self, host: Host) -> None:
        found = host.fingerprint()
        assert unpack(HostFingerprint, pack(found)) == found

    def test_the_fingerprint_of_a_machine_stays(self, host: Host) -> None:
        assert host.fingerprint() == host.fingerprint()

    def test_the_figures_are_possible(self, host: Host) -> None:
        found = host.fingerprint()
        assert 0 < found.usable_cores <= found.logical_cores
        assert found.physical_cores is None or found.physical_cores <= found.logical_cores
        assert (found.memory_limit_gib or found.memory_gib) > 0

    def test_a_watch_tells_a_share_or_that_it_cannot(self, host: Host) -> None:
        with host.watch() as watch:
            shares = [watch.foreign_cpu_share() for _ in range(3)]
        assert all(share is None or 0 <= share <= 1 for share in shares)
