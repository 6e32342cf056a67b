"""Unknown names get the nearest known one."""

import pytest

from paceline.errors import Code, SpecError
from paceline.spec.names import require_known


def test_known_names_pass_and_the_first_unknown_one_is_named() -> None:
    require_known("engine", ["openvino"], {"openvino", "transformers"})
    with pytest.raises(SpecError) as refused:
        require_known("engine", ["openvino", "opnvino", "x"], {"openvino", "transformers"})
    assert refused.value.code is Code.UNKNOWN_NAME
    assert "'opnvino'" in refused.value.what
    assert refused.value.fix == "write 'openvino'"


def test_nothing_is_suggested_for_a_name_like_no_other() -> None:
    with pytest.raises(SpecError) as refused:
        require_known("engine", ["zzz"], ["openvino", "transformers"])
    assert "openvino, transformers" in refused.value.why
    assert refused.value.fix == "choose one of these"
