"""The recall of your own index: the share of the exact nearest neighbours that it finds."""

import faiss
import numpy as np

import bench

generator = np.random.default_rng(0)
database = generator.standard_normal((5000, 32), dtype=np.float32)
queries = generator.standard_normal((100, 32), dtype=np.float32)
exact = bench.exact_neighbours(queries, database, k=10)

index = faiss.index_factory(32, "IVF64,Flat")  # in its place: your index
index.train(database)
index.add(database)
for nprobe in (1, 8, 64):
    index.nprobe = nprobe
    found = index.search(queries, 10)[1]
    print(f"recall@10 at nprobe = {nprobe}: {bench.recall_at(found, exact, database, queries, k=10):.3f}")
