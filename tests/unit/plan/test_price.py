"""What an hour of each accelerator of this machine is counted at."""

from dataclasses import replace
from datetime import date

import pytest

from paceline.plan.price import USD_PER_VCPU_HOUR, dearest, local_prices
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.request import DevicePrice
from paceline.testing.builders import a_cpu, a_request, a_variant

TODAY = date(2026, 11, 21)
CPU = a_cpu(cores=4)
H100 = Accelerator(
    name="NVIDIA-H100-80GB-HBM3", kind=AcceleratorKind.GPU, memory_gib=79.6, available=2
)
STRANGE = replace(H100, name="NVIDIA-Graphics-Device")
ON_CPU = a_variant()
ON_H100 = replace(ON_CPU, accelerator=H100.name, count=2)


def test_each_accelerator_has_the_price_of_its_kind() -> None:
    cpu, h100 = local_prices((), (CPU, H100), TODAY)
    assert (cpu.accelerator, h100.accelerator) == ("cpu", H100.name)
    assert cpu.usd_per_hour == pytest.approx(4 * USD_PER_VCPU_HOUR)
    assert 1.0 < h100.usd_per_hour < 10.0
    assert "on-demand" in (h100.source or "")


def test_what_no_table_knows_has_no_price() -> None:
    assert local_prices((), (STRANGE,), TODAY) == ()


@pytest.mark.parametrize("name", ["H100-SXM-80GB", H100.name])
def test_a_price_of_ones_own_wins(name: str) -> None:
    own = DevicePrice(accelerator=name, usd_per_hour=0.5, source="own.csv")
    (found,) = local_prices((own,), (H100,), TODAY)
    assert found == replace(own, accelerator=H100.name)


def test_every_variant_costs_what_its_own_devices_cost() -> None:
    prices = local_prices((), (CPU, H100), TODAY)
    request = replace(a_request(), price_usd_per_hour=None, prices=prices)
    assert request.usd_per_hour(ON_CPU) == prices[0].usd_per_hour
    assert request.usd_per_hour(ON_H100) == 2 * prices[1].usd_per_hour
    assert request.usd_per_hour(replace(ON_CPU, accelerator=STRANGE.name)) is None
    assert dearest(request, [ON_CPU, ON_H100]) == 2 * prices[1].usd_per_hour


def test_one_price_of_the_user_is_for_all_and_one_unknown_leaves_no_dearest() -> None:
    prices = local_prices((), (H100,), TODAY)
    given = replace(a_request(), price_usd_per_hour=3.0, prices=prices)
    assert (given.usd_per_hour(ON_CPU), given.usd_per_hour(ON_H100)) == (3.0, 6.0)
    assert dearest(replace(given, price_usd_per_hour=None), [ON_CPU, ON_H100]) is None
