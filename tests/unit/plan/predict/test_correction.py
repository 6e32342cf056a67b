"""The parts of the learned correction that can be checked by hand."""

import numpy as np

from paceline.plan.predict.correction import crossed, fitted


def test_a_trait_counts_under_its_own_way_of_loading_alone() -> None:
    traits = np.array([[2.0, 3.0], [5.0, 7.0]], dtype=np.float32)
    loads = np.array([[1.0], [0.0]], dtype=np.float32)  # the second row: none that is named
    products = crossed(traits, loads)
    assert products.tolist() == [[2.0, 0.0, 3.0, 0.0], [0.0, 5.0, 0.0, 7.0]]


def test_the_stored_parameters_belong_together() -> None:
    model = fitted()
    products = len(model.traits) * (len(model.modes) + 1)
    rows = len(model.anchors) + len(model.names) + products + 1
    assert model.coefficients.shape == (rows, 6)
    assert {model.names[i] for i in model.modes} >= {"is_open", "is_static", "is_single"}
    assert "log_bandwidth" in {model.names[i] for i in model.traits}
