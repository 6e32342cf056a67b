"""Rounding explains what every honest recipe does to weights, and not what shuffled scales do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from paceline.ports.weights import Floats, Rows
from paceline.records.weights import Matrix
from paceline.trial import rounding
from paceline.trial.rounding import find_damage

LAYERS, ROWS, COLUMNS, GROUP = 4, 96, 256, 64
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Integers with a scale per group, or floats where `bits` is `None`."""

    values: Doubles
    scales: Doubles
    bits: float | None = None

    @property
    def weights(self) -> Doubles:
        grouped = self.values.reshape(len(self.values), self.scales.shape[1], -1)
        return (grouped * self.scales[:, :, None]).reshape(self.values.shape)


class Checkpoint:
    """`Weights` in memory."""

    def __init__(self, held: Mapping[str, Held]) -> None:
        self.held = held

    def matrices(self) -> Mapping[str, Matrix]:
        return {
            name: Matrix(
                rows=one.values.shape[0],
                columns=one.values.shape[1],
                bits=one.bits,
                group=one.values.shape[1] // one.scales.shape[1] if one.bits else None,
            )
            for name, one in self.held.items()
        }

    def rows(self, name: str, at: Rows) -> Floats:
        return self.held[name].weights[at].astype(np.float32)


def floats(values: Doubles) -> Held:
    return Held(values=values, scales=np.ones((len(values), 1)))


def trained(seed: int = 0) -> dict[str, Held]:
    """Two matrices and a vector per layer, with rows of different size, as training leaves them."""
    chance = np.random.default_rng(seed)
    found = {}
    for layer in range(LAYERS):
        for name in ("up", "down"):
            sizes = chance.lognormal(sigma=0.3, size=(ROWS, 1))
            found[f"{layer}.{name}"] = floats(sizes * chance.standard_normal((ROWS, COLUMNS)))
        found[f"{layer}.norm"] = floats(chance.uniform(0.5, 2, (1, COLUMNS)))
    return found


def rounded(held: Held, bits: int, group: int = GROUP) -> Held:
    """To nearest, symmetric."""
    grouped = held.weights.reshape(len(held.values), -1, group)
    scales = np.abs(grouped).max(axis=2) / (2 ** (bits - 1) - 0.5)
    values = np.clip(
        np.round(grouped / scales[:, :, None]), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    )
    return Held(values=values.reshape(held.values.shape), scales=scales, bits=bits)


def quantized(original: Mapping[str, Held], bits: int, group: int = GROUP) -> dict[str, Held]:
    return {
        name: one if name.endswith("norm") else rounded(one, bits, group)
        for name, one in original.items()
    }


def shuffled(made: Mapping[str, Held], layer: int) -> dict[str, Held]:
    """The scales of one layer's matrices, dealt out anew among them."""
    names = [name for name, one in made.items() if name.startswith(f"{layer}.") and one.bits]
    dealt = np.random.default_rng(layer).permutation(
        np.concatenate([made[name].scales for name in names], axis=None)
    )
    parts = np.split(dealt, np.cumsum([made[name].scales.size for name in names])[:-1])
    damaged = {
        name: replace(made[name], scales=part.reshape(made[name].scales.shape))
        for name, part in zip(names, parts, strict=True)
    }
    return {**made, **damaged}


GRIDS = [(8, COLUMNS), (8, 32), (6, 32), (4, 128), (4, 64), (4, 32), (3, 128)]


@pytest.mark.parametrize(("bits", "group"), GRIDS)
def test_rounding_to_nearest_is_no_damage(bits: int, group: int) -> None:
    original = trained()
    made = Checkpoint(quantized(original, bits, group))
    assert find_damage(Checkpoint(original), made, seed=0) is None


@pytest.mark.parametrize(("bits", "group"), GRIDS)
@pytest.mark.parametrize("layer", range(LAYERS))
def test_the_shuffled_scales_of_any_layer_are_found(bits: int, group: int, layer: int) -> None:
    original = trained()
    made = shuffled(quantized(original, bits, group), layer)
    found = find_damage(Checkpoint(original), Checkpoint(made), seed=0)
    assert found is not None
    assert found.name.startswith(f"{layer}.")
    assert (found.part, found.bits) == ("scales", bits)
    assert found.error > found.limit


def test_an_error_that_all_matrices_share_is_the_recipe() -> None:
    """GPTQ rounds some weights up that are nearer to the value below, to mend others' errors."""
    original, chance = trained(), np.random.default_rng(1)
    made = quantized(original, 4)
    moved = {
        name: replace(one, values=one.values + chance.choice([-1, 0, 1], one.values.shape))
        for name, one in made.items()
        if one.bits
    }
    assert find_damage(Checkpoint(original), Checkpoint({**made, **moved}), seed=0) is None
    one = {**made, "2.up": Held(values=-made["2.up"].values, scales=made["2.up"].scales, bits=4)}
    found = find_damage(Checkpoint(original), Checkpoint(one), seed=0)
    assert found is not None
    assert found.name == "2.up"


def test_columns_whose_input_was_never_seen_may_be_empty() -> None:
    original = trained()
    made = quantized(original, 4)
    values = made["1.up"].values.copy()
    values[:, ::10] = 0
    emptied = {**made, "1.up": replace(made["1.up"], values=values)}
    assert find_damage(Checkpoint(original), Checkpoint(emptied), seed=0) is None
    nothing = {**made, "1.up": replace(made["1.up"], values=np.zeros_like(values))}
    found = find_damage(Checkpoint(original), Checkpoint(nothing), seed=0)
    assert found is not None
    assert found.name == "1.up"


def test_rows_in_another_order_are_damage_of_the_weights() -> None:
    original = trained()
    made = quantized(original, 8)
    held = made["3.up"]
    turned = replace(held, values=held.values[::-1], scales=held.scales[::-1])
    found = find_damage(Checkpoint(original), Checkpoint({**made, "3.up": turned}), seed=0)
    assert found is not None
    assert found.name == "3.up"


def smoothed(original: Mapping[str, Held]) -> dict[str, Held]:
    """Factors moved from each layer's norm, and from `up`'s outputs, into the next inputs."""
    chance = np.random.default_rng(3)
    found = dict(original)
    for layer in range(LAYERS):
        into = chance.lognormal(sigma=0.4, size=COLUMNS)
        out = chance.lognormal(sigma=0.4, size=(ROWS, 1))
        found[f"{layer}.norm"] = floats(original[f"{layer}.norm"].weights / into)
        found[f"{layer}.up"] = floats(original[f"{layer}.up"].weights * into / out)
    return found


def test_factors_that_move_between_layers_are_no_damage() -> None:
    original = trained()
    made = quantized(smoothed(original), 4)
    assert find_damage(Checkpoint(original), Checkpoint(made), seed=0) is None
    for layer in range(LAYERS):
        damaged = Checkpoint(shuffled(made, layer))
        found = find_damage(Checkpoint(original), damaged, seed=0)
        assert found is not None
        assert found.name.startswith(f"{layer}.")


def test_factors_without_a_norm_that_takes_them_up_are_damage() -> None:
    original = trained()
    made = quantized(original, 4)
    wrong = Checkpoint({**made, "1.up": replace(made["1.up"], scales=made["1.up"].scales * 1.5)})
    found = find_damage(Checkpoint(original), wrong, seed=0)
    assert found is not None
    assert (found.name, found.part) == ("1.up", "scales")


def test_numbers_that_are_none_are_damage() -> None:
    original = trained()
    made = quantized(original, 8)
    scales = made["3.down"].scales.copy()
    scales[0, 0] = np.nan
    broken = Checkpoint({**made, "3.down": replace(made["3.down"], scales=scales)})
    found = find_damage(Checkpoint(original), broken, seed=0)
    assert found is not None
    assert (found.name, found.error) == ("3.down", float("inf"))


def test_what_cannot_be_compared_passes() -> None:
    original = trained()
    same = Checkpoint(original)
    assert find_damage(same, same, seed=0) is None
    made = quantized(original, 4)
    other = Checkpoint({f"renamed.{name}": one for name, one in made.items()})
    assert find_damage(same, other, seed=0) is None
    zeros = {"0.up": floats(np.zeros((ROWS, COLUMNS)))}
    none = Held(values=np.zeros((ROWS, COLUMNS)), scales=np.ones((ROWS, 4)), bits=4)
    assert find_damage(Checkpoint(zeros), Checkpoint({"0.up": none}), seed=0) is None


def test_of_a_large_matrix_some_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "MOST_WEIGHTS", 1)
    monkeypatch.setattr(rounding, "FEWEST_ROWS", 16)
    original = trained()
    read: list[int] = []

    class Counting(Checkpoint):
        def rows(self, name: str, at: Rows) -> Floats:
            read.append(len(at))
            assert (np.diff(at) > 0).all()
            return super().rows(name, at)

    made = quantized(original, 4)
    assert find_damage(Checkpoint(original), Counting(made), seed=0) is None
    assert max(read) == 16
    assert find_damage(Checkpoint(original), Counting(shuffled(made, 2)), seed=0) is not None
