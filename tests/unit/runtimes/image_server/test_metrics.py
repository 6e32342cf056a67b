"""The metrics page."""

from paceline.runtimes.image_server.metrics import ENDS, ImageMetrics


def test_every_series_has_a_type_a_help_and_its_unit() -> None:
    metrics = ImageMetrics()
    metrics.images = 12_345_678
    metrics.inference_s.observe(0.35)
    page = metrics.page().decode()
    assert "image_server_images_total 12345678\n" in page
    assert 'image_server_inference_seconds_bucket{le="0.4"} 1\n' in page
    assert page.count("requests_finished_total{reason=") == len(ENDS)
    typed = {line.split()[2]: line.split()[3] for line in page.splitlines() if "# TYPE" in line}
    assert {name for name, kind in typed.items() if kind == "counter"} == {
        name for name in typed if name.endswith("_total")
    }
    assert all(name.endswith("_seconds") for name, kind in typed.items() if kind == "histogram")
    shown = {line.split("{")[0].split()[0] for line in page.splitlines() if line[0] != "#"}
    assert all(any(name.startswith(known) for known in typed) for name in shown)
    assert page.count("# HELP") == len(typed)
