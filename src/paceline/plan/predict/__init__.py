"""Predicted throughput and latency with 90 % bands: roofline, batching, queues, correction."""

from paceline.plan.predict.deployment import Batch, Deployment, Load, batch_of
from paceline.plan.predict.predict import Band, Prediction, predict
from paceline.plan.predict.table import COLUMNS, predict_table

__all__ = [
    "COLUMNS",
    "Band",
    "Batch",
    "Deployment",
    "Load",
    "Prediction",
    "batch_of",
    "predict",
    "predict_table",
]
