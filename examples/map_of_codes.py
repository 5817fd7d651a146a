"""The mean average precision of your own codes, by the rules of this project and by those of published code."""

import numpy as np

import bench

generator = np.random.default_rng(0)
labels = generator.integers(5, size=1000)
centres = generator.standard_normal((5, 12))
outputs = centres[labels] + generator.standard_normal((1000, 12))  # in their place: what your network gives

queries, database = bench.Codes.pack(outputs[:100]), bench.Codes.pack(outputs[100:])
for preset in ("tie_expected", "deephash_pytorch", "hashnet"):
    score = bench.mean_average_precision(queries, database, labels[:100], labels[100:], k=500, preset=preset)
    print(f"mAP@500, {preset}: {score:.3f}")
