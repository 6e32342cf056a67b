from paceline.adapters.telemetry.prometheus.page import Sample, samples_of


def test_reads_names_labels_and_values_and_skips_the_rest() -> None:
    page = (
        "# HELP a Text with a 1 in it\n# TYPE a counter\n"
        'a_total{model="x,y{z}",say="\\"hi\\""} 1.5e3 1700000000000\n'
        'b 2 # {trace_id="7"} 0.3\n\nnot a line\nc NaN\nd +Inf\n'
    )
    assert list(samples_of(page)) == [
        Sample(name="a_total", labels={"model": "x,y{z}", "say": '\\"hi\\"'}, value=1500.0),
        Sample(name="b", labels={}, value=2.0),
    ]
