"""What `paceline verify` says of a receipt that does not hold."""

import pytest

from paceline.cli.verify import _print_found
from paceline.records.receipt import Fault, Finding, Verification


@pytest.mark.parametrize(("fault", "told"), [(Fault.BLOB, True), (Fault.ARITHMETIC, False)])
def test_a_receipt_that_was_copied_alone_is_told_what_belongs_to_it(
    fault: Fault, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding(path="$.trials[0].samples", fault=fault, detail="it is not there")
    _print_found(
        Verification(
            sha256="0" * 64, run_id="r", trials=1, samples=0, figures=3, findings=(finding,)
        )
    )
    out, err = capsys.readouterr()
    assert "NOT verified" in out
    assert ("copy `receipts`, `samples`" in err) is told
