"""Files that a load test leaves: samples and pages. Checked before anything is measured."""

from pathlib import Path

from paceline.app.bench import BenchPoint, BenchReport, Ended
from paceline.app.wiring import Workshop
from paceline.errors import Code, SetupError
from paceline.records.samples import pack


def require_writable(path: Path | None, option: str) -> None:
    """Raise SetupError when a file could not be written after the test, which costs minutes."""
    if path is None:
        return
    try:
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise SetupError(
            Code.CACHE_UNWRITABLE,
            f"{str(path)!r} cannot be written",
            why=f"{error.strerror} (errno {error.errno})",
            fix=f"give {option} a file in a folder that exists and is yours",
        ) from error


def keep_samples(report: BenchReport, path: Path | None, shop: Workshop) -> tuple[Path, ...]:
    """Write the raw samples of every point; where they lie.

    To `path`, in a search to one numbered file per probe. Without a path only what ended early is
    kept, in the data folder: it cannot be had again by repeating the command.
    """
    if path is not None:
        return tuple(_write(point, report, path) for point in report.points)
    if report.ended is Ended.FINISHED:
        return ()
    return tuple(
        shop.places.data / shop.archive.keep(pack(point.result.samples), suffix=".npz").path
        for point in report.points
    )


def _write(point: BenchPoint, report: BenchReport, path: Path) -> Path:
    place = path
    if report.request.search is not None:
        place = path.with_name(f"{path.stem}-{point.number:02d}{path.suffix}")
    place.write_bytes(pack(point.result.samples))
    return place
