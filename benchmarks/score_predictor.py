"""Write predictions for the measured table with every row's group left out, for scoring.

    python benchmarks/score_predictor.py MEASURED.csv OUT.csv
"""

import csv
import sys
from pathlib import Path

import numpy as np
from fit_predictor import METRICS, fit_all, read_table

HEADER = (
    "row_id,fits,reason,out_tok_s,out_tok_s_lo,out_tok_s_hi,tpot_ms,tpot_ms_lo,tpot_ms_hi,"
    "ttft_ms,ttft_ms_lo,ttft_ms_hi"
).split(",")


def main() -> None:
    """One line per row; all of them predicted as if their group had never been seen."""
    table = read_table(Path(sys.argv[1]))
    fitted = fit_all(table)
    with Path(sys.argv[2]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for at, row in enumerate(table.rows):
            cells: list[object] = [row["row_id"], "yes", ""]
            for metric in range(len(METRICS)):
                value = float(np.exp(fitted.left_out[at, metric]))
                width = float(
                    np.exp(fitted.quantiles[metric] * fitted.left_out_spread[at, metric])
                )
                cells += [round(value, 4), round(value / width, 4), round(value * width, 4)]
            writer.writerow(cells)


if __name__ == "__main__":
    main()
