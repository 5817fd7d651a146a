"""Read a results folder into pandas: all records of all grids, and the cells of one report."""

import sys
from pathlib import Path

import bench

out = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
records = bench.read_records(out)
print(records.groupby(["dataset", "hasher"], dropna=False)["map"].max())

for report in sorted(out.glob("*/*/cells.csv")):
    cells = bench.read_cells(report.parent)
    print(report.parent, cells["status"].value_counts().to_dict())
    print(cells.pivot_table(index="hasher", columns="bits", values="map"))
