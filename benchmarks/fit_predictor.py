"""Fit the correction of `paceline predict` to published measurements and store its parameters.

    python benchmarks/fit_predictor.py MEASURED.csv [LEFT_OUT.csv]

Writes src/paceline/plan/predict/correction.npz and, when asked, the predictions that every row
gets with its group left out, in the columns of `paceline predict`. Groups (model x accelerator x
engine) are left out whole, in closed form; the width of the bands is chosen on them. Needs numpy
only; takes seconds.
"""

import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from paceline.errors import SpecError
from paceline.plan.facts.models import ShapeFinder, known_shapes
from paceline.plan.predict.batching import Physics, physics
from paceline.plan.predict.columns import Counted, counted
from paceline.plan.predict.correction import crossed, similarities, standardized
from paceline.plan.predict.deployment import Array, Batch, Index, batch_of
from paceline.plan.predict.features import features
from paceline.plan.predict.placement import placement
from paceline.plan.predict.predict import bases
from paceline.plan.predict.table import deployment_of

TARGET: Final = Path(__file__).parent.parent / "src/paceline/plan/predict/correction.npz"
METRICS: Final = ("out_tok_s", "tpot_ms", "ttft_ms")
ANCHORS: Final = 900
LONG_RANGE: Final = 0.3
RIDGE: Final = 0.08
CROSSING: Final = 0.2
CROSSED: Final = "ttft_ms"
"""The only metric that the products of device and way of loading are for: with them the others
erred more on either half of the models, and on devices that were measured in one way alone."""
GROUP_SD: Final = 0.05
NOISE_SD: Final = 0.30
OUTLIER_SD: Final = 0.30
"""Residuals of this size count half: labels in published tables are sometimes wrong."""
WINSOR: Final = 2.0
COVERAGE: Final = 0.90
# How fast similarity fades along each kind of feature, relative to all others: models, formats
# and lengths vary smoothly, the way of loading does not.
SCALES: Final = {"mode": 1.4, "engine": 1.5, "device": 0.8, "parallel": 0.9, "format": 0.6,
                 "load": 0.6, "model": 0.6, "time": 0.8}  # fmt: skip
KINDS: Final = {
    "mode": ("is_static", "is_single", "is_offline", "is_burst", "is_open", "knows_concurrency"),
    "engine": ("engine_", "is_serving", "is_local"),
    "device": ("log_bandwidth", "log_rate_matrix", "log_ridge", "log_memory", "link_kind",
               "log_link", "device_year", "is_amd", "is_intel"),
    "parallel": ("log_count", "log_shards", "log_stages", "log_lanes", "log_expert_shards",
                 "spread_experts", "expert_parallel"),
    "format": ("release_year", "age", "native", "linear_bits", "expert_bits", "computes_",
               "kv_bits"),
    "load": ("log_running", "log_room", "waiting_share", "pressure", "log_input", "log_output",
             "log_ratio"),
    "model": ("log_parameters", "log_active", "log_sparsity", "log_hidden", "layers",
              "log_experts", "log_kv", "kv_heads", "attention_share", "has_state", "fill"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The measured table beside what physics says about it."""

    rows: list[dict[str, str]]
    batch: Batch
    counts: Counted
    seen: Physics
    columns: dict[str, Array]
    measured: Array
    """Natural logarithms, `[rows, metrics]`; not-a-number where nothing was measured."""
    groups: Index


def read_table(path: Path) -> Table:
    """Measured rows whose model has a known shape, with physics and features."""
    finder = ShapeFinder(known_shapes())
    rows, deployments = [], []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                deployments.append(deployment_of(row, finder))
            except SpecError as error:
                print(f"left out: {error.what}", file=sys.stderr)
                continue
            rows.append(row)
    batch = batch_of(deployments)
    counts = counted(batch)
    place = placement(batch, counts)
    seen = physics(batch, counts, place)
    measured = np.array(
        [[np.log(float(row[m])) if row[m] else np.nan for m in METRICS] for row in rows]
    )
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    columns = features(batch, counts, place, seen)
    return Table(rows=rows, batch=batch, counts=counts, seen=seen, columns=columns,
                 measured=measured, groups=groups.astype(np.intp))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Standardized features, their scaling, and the basis that corrections are sums of."""

    names: tuple[str, ...]
    mean: Array
    spread: Array
    scale: Array
    traits: Index
    """Features of the device, and indicators of the way of loading, by place in `names`."""
    modes: Index
    anchors: Array
    basis: Array
    """`[rows, anchors + features + crossed features + 1]`."""
    prior: Array
    """Precision of the coefficients before any data."""


def space_of(columns: dict[str, Array]) -> Space:
    """Choose anchors among the rows and lay out the basis."""
    names = tuple(columns)
    raw = np.column_stack([columns[name] for name in names])
    mean, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    standard = standardized(raw, mean, spread)
    scale = np.array([SCALES[_kind(name)] for name in names]) / np.sqrt(len(names))
    points = standard * scale
    anchors = points[_spread_out(points, ANCHORS)]
    near = _similar(points, anchors)
    traits = _places(names, "device")
    modes = np.array([i for i in _places(names, "mode") if names[i].startswith("is_")])
    products = crossed(standard[:, traits].astype(np.float32), raw[:, modes].astype(np.float32))
    basis = np.column_stack([near, standard * RIDGE, products * CROSSING, np.ones(len(points))])
    prior = np.eye(basis.shape[1])
    count = len(anchors)
    prior[:count, :count] = _similar(anchors, anchors) + 1e-5 * np.eye(count)
    return Space(names=names, mean=mean, spread=spread, scale=scale, traits=traits,
                 modes=modes, anchors=anchors, basis=basis, prior=prior)  # fmt: skip


def _similar(points: Array, anchors: Array) -> Array:
    return similarities(points.astype(np.float32), anchors.astype(np.float32), LONG_RANGE).astype(
        np.float64
    )


def _places(names: tuple[str, ...], kind: str) -> Index:
    return np.array([i for i, name in enumerate(names) if _kind(name) == kind], dtype=np.intp)


def _kind(name: str) -> str:
    for kind, prefixes in KINDS.items():
        if name.startswith(prefixes):
            return kind
    return "time"


def _spread_out(points: Array, count: int) -> Index:
    """Rows that explain the others best: pivots of a Cholesky factorization of similarity."""
    count = min(count, len(points))
    left = np.full(len(points), 1.0)
    factor = np.zeros((len(points), count))
    pivots = np.zeros(count, dtype=np.intp)
    for step in range(count):
        pivot = int(np.argmax(left))
        pivots[step] = pivot
        column = _similar(points, points[pivot : pivot + 1])[:, 0] / (1.0 + LONG_RANGE)
        column -= factor[:, :step] @ factor[pivot, :step]
        column /= np.sqrt(max(left[pivot], 1e-9))
        factor[:, step] = column
        left = np.maximum(left - column**2, 0.0)
        left[pivots[: step + 1]] = 0.0
    return pivots


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Coefficients of one metric, and what each row gets when its group is left out."""

    coefficients: Array
    left_out: Array
    """Not-a-number where the metric was not measured."""


def fit(space: Space, target: Array, groups: Index, *, noise_sd: float = NOISE_SD,
        group_sd: float = GROUP_SD, robust: bool = True) -> Fit:  # fmt: skip
    """Regress `target` with errors shared inside a group; leave each group out in closed form.

    Twice: the second time rows that the others contradict weigh less.
    """
    known = np.isfinite(target)
    weights = np.ones(len(target))
    result = _solve(space, target, groups, known, weights, noise_sd=noise_sd, group_sd=group_sd)
    if not robust:
        return result
    error = np.nan_to_num(result.left_out - target)
    weights = 1.0 / (1.0 + (error / OUTLIER_SD) ** 2)
    return _solve(space, target, groups, known, weights, noise_sd=noise_sd, group_sd=group_sd)


def _solve(space: Space, target: Array, groups: Index, known: Array, weights: Array, *,
           noise_sd: float, group_sd: float) -> Fit:  # fmt: skip
    order = np.flatnonzero(known)
    order = order[np.argsort(groups[order], kind="stable")]
    basis, wanted = space.basis[order], target[order]
    precision = weights[order] / noise_sd**2
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    spans = list(zip(np.r_[0, edges], np.r_[edges, len(order)], strict=True))
    system = space.prior + basis.T @ (basis * precision[:, None])
    right = basis.T @ (wanted * precision)
    sums, shares = np.zeros((len(spans), basis.shape[1])), np.zeros(len(spans))
    for at, (start, end) in enumerate(spans):
        p = precision[start:end]
        sums[at] = basis[start:end].T @ p
        shares[at] = group_sd**2 / (1.0 + group_sd**2 * p.sum())
        right -= shares[at] * sums[at] * (p @ wanted[start:end])
    system -= (sums.T * shares) @ sums
    inverse = np.linalg.inv(system)
    coefficients = inverse @ right
    spread, fitted = basis @ inverse, basis @ coefficients
    left_out = np.full(len(target), np.nan)
    for at, (start, end) in enumerate(spans):
        p = precision[start:end]
        block = np.diag(p) - shares[at] * np.outer(p, p)
        own = spread[start:end] @ basis[start:end].T @ block
        error = np.linalg.solve(np.eye(end - start) - own, wanted[start:end] - fitted[start:end])
        left_out[order[start:end]] = wanted[start:end] - error
    return Fit(coefficients=coefficients, left_out=left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Everything to store, and the left-out predictions to score."""

    space: Space
    coefficients: Array
    """`[basis, 6]`."""
    quantiles: Array
    left_out: Array
    """Natural logarithms of the predictions, `[rows, metrics]`, for all rows."""
    left_out_spread: Array


def fit_all(table: Table) -> Fitted:
    """Fit throughput, TPOT and TTFT in the same basis, and the widths of their bands."""
    space = space_of(table.columns)
    coefficients, quantiles, predicted, spreads = [], [], [], []
    scales = []
    for metric in range(len(METRICS)):
        base = bases(table.seen)[metric]
        residual = table.measured[:, metric] - base
        centre = float(np.nanmedian(residual))
        bounded = np.clip(residual - centre, -WINSOR, WINSOR)
        inside = space if METRICS[metric] == CROSSED else _uncrossed(space)
        result = fit(inside, bounded, table.groups)
        filled = _filled(result.left_out, inside, result.coefficients) + centre
        own = result.coefficients.copy()
        own[-1] += centre
        coefficients.append(own)
        predicted.append(base + filled)
        width = _width(inside, table.groups, table.measured[:, metric] - base - filled)
        scales.append(width[0])
        spreads.append(width[1])
        quantiles.append(width[2])
    return Fitted(
        space=space,
        coefficients=np.column_stack(coefficients + scales),
        quantiles=np.array(quantiles),
        left_out=np.column_stack(predicted),
        left_out_spread=np.column_stack(spreads),
    )


def _uncrossed(space: Space) -> Space:
    """The same without products: their columns are zero, and so are then their coefficients."""
    basis = space.basis.copy()
    basis[:, len(space.anchors) + len(space.names) : -1] = 0.0
    return replace(space, basis=basis)


def _filled(left_out: Array, space: Space, coefficients: Array) -> Array:
    """Rows that were not measured were never fitted to, so their plain prediction is left out."""
    return np.where(np.isfinite(left_out), left_out, space.basis @ coefficients)


def _width(space: Space, groups: Index, error: Array) -> tuple[Array, Array, float]:
    """How far off left-out groups were, as a smooth function, and the multiple that covers 90 %."""
    size = np.log(np.abs(error) + 0.03)
    centre = float(np.nanmedian(size)) + 0.25  # far from all that is known the band is wider
    result = fit(space, size - centre, groups, noise_sd=0.9, group_sd=0.6, robust=False)
    spread = np.exp(np.clip(_filled(result.left_out, space, result.coefficients) + centre, -4, 1.5))
    known = np.isfinite(error)
    counts = np.bincount(groups[known], minlength=int(groups.max()) + 1)
    weights = 1.0 / np.maximum(1, counts[groups[known]])
    ratio = np.abs(error[known]) / spread[known]
    order = np.argsort(ratio)
    share = np.cumsum(weights[order]) / weights.sum()
    quantile = float(ratio[order][np.searchsorted(share, COVERAGE)])
    own = result.coefficients.copy()
    own[-1] += centre
    return own, spread, quantile


def store(fitted: Fitted, path: Path) -> None:
    """Write the parameters as 32-bit floats."""
    space = fitted.space
    np.savez_compressed(
        path,
        names=np.array(space.names),
        mean=space.mean.astype(np.float32),
        spread=space.spread.astype(np.float32),
        scale=space.scale.astype(np.float32),
        long_range=np.float32(LONG_RANGE),
        ridge=np.float32(RIDGE),
        crossing=np.float32(CROSSING),
        traits=space.traits.astype(np.int16),
        modes=space.modes.astype(np.int16),
        anchors=space.anchors.astype(np.float32),
        coefficients=fitted.coefficients.astype(np.float32),
        quantiles=fitted.quantiles.astype(np.float32),
    )


def write_left_out(table: Table, fitted: Fitted, path: Path) -> None:
    """One line per row, predicted as if its group had never been seen."""
    ends = ("", "_lo", "_hi")
    header = ["row_id", "fits", "reason", *(f"{metric}{end}" for metric in METRICS for end in ends)]
    value = np.exp(fitted.left_out)
    width = np.exp(fitted.left_out_spread * fitted.quantiles)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for at, row in enumerate(table.rows):
            cells: list[object] = [row["row_id"], "yes", ""]
            for metric in range(len(METRICS)):
                middle, factor = float(value[at, metric]), float(width[at, metric])
                cells += [round(v, 4) for v in (middle, middle / factor, middle * factor)]
            writer.writerow(cells)


def main() -> None:
    """Fit, store, and write the left-out predictions when a second path is given."""
    table = read_table(Path(sys.argv[1]))
    fitted = fit_all(table)
    store(fitted, TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1024:.0f} KiB")
    if sys.argv[2:]:
        write_left_out(table, fitted, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
