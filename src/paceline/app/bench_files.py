"""Files that a load test leaves: the samples of every point."""

from pathlib import Path

from paceline.app.bench import BenchPoint, BenchReport, Ended
from paceline.app.output_files import write_output
from paceline.app.wiring import Workshop
from paceline.records.samples import pack


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
    write_output(place, pack(point.result.samples), "--samples")
    return place
