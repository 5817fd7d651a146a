"""Scripts that end as those of five code bases do, with files of codes and a printed mAP, which ``evaluate`` finds."""

import pytest

from bench.evaluation.evaluate import evaluate
from tests import warm

HASHNET = """
import sys, numpy as np
rng, place = np.random.default_rng(1), sys.argv[1]
centres = rng.standard_normal((9, 12))
def split(name, n, classes):
    label = np.eye(9)[rng.integers(classes, size=n)] + np.eye(9)[rng.integers(classes, size=n)] > 0
    code = np.sign(label @ centres + rng.standard_normal((n, 12)))
    np.save(f"{place}/{name}_code.npy", code.astype(np.float32))
    np.save(f"{place}/{name}_label.npy", label.astype(np.float32))
    return code, label
database, database_label = split("database", 200, 6)
test, test_label = split("test", 30, 9)
scores = []
for code, label in zip(test, test_label):
    ids = np.argsort(-database @ code, kind="stable")[:5]
    match = (database_label[ids] & label).any(axis=1)
    if match.any():
        scores.append(np.sum(match * np.cumsum(match) / np.arange(1, 6)) / np.sum(match))
assert len(scores) < 30
print(repr(float(np.mean(scores))))
"""
DEEPHASH = """
import sys, numpy as np
rng = np.random.default_rng(2)
centres = rng.standard_normal((7, 12))
trn_label, tst_label = (np.eye(7, dtype=int)[rng.integers(7, size=n)] for n in (180, 25))
trn, tst = (np.tanh(label @ centres + 3 * rng.standard_normal((len(label), 12))) for label in (trn_label, tst_label))
np.savez(f"{sys.argv[1]}/codes.npz", trn=trn, tst=tst, trn_label=trn_label, tst_label=tst_label)
total, topk = 0.0, -1
for i in range(len(tst)):
    truth = (tst_label[i] @ trn_label.T > 0).astype(float)
    hamming = 0.5 * (12 - np.sign(tst[i]) @ np.sign(trn).T)
    first = truth[np.argsort(hamming, kind="stable")][:topk]
    if first.sum() == 0:
        continue
    total += np.mean(np.linspace(1, first.sum(), int(first.sum())) / (np.flatnonzero(first == 1) + 1.0))
print(repr(float(total / len(tst))))
"""
SEMICON = """
import sys, torch
torch.manual_seed(3)
centres = torch.randn(7, 12)
known, asked = torch.randint(7, (150,)), torch.randint(7, (20,))
base, query = ((centres[label] + 3 * torch.randn(len(label), 12)).sign() for label in (known, asked))
torch.save({"base": base, "query": query, "known": known, "asked": asked}, f"{sys.argv[1]}/codes.pt")
mean = torch.zeros((), dtype=torch.float64)
for code, label in zip(query, asked):
    order = torch.sort((12 - base @ code) / 2, stable=True).indices
    hits = (known == label)[order][:-1].double()
    ranks = torch.arange(1, len(hits) + 1, dtype=torch.float64)
    mean += (hits * hits.cumsum(0) / ranks).sum() / hits.sum().clamp(min=1) / len(query)
print(repr(mean.item()))
"""
ADSH = """
import sys, h5py, numpy as np
rng = np.random.default_rng(4)
centres = rng.standard_normal((5, 12))
labels = {"database": rng.integers(5, size=160), "query": rng.integers(7, size=22)}
with h5py.File(f"{sys.argv[1]}/codes.h5", "w") as file:
    for name, label in labels.items():
        file[f"{name}/codes"] = centres[label % 5] + rng.standard_normal((len(label), 12)) >= 0
        file[f"{name}/labels"] = label
    B, q = file["database/codes"][:], file["query/codes"][:]
precisions = np.zeros(len(q))
for row, code in enumerate(q):
    ranked = sorted(range(len(B)), key=lambda item: int(np.sum(B[item] != code)))
    found = [place for place, item in enumerate(ranked, 1) if labels["database"][item] == labels["query"][row]]
    precisions[row] = sum(number / place for number, place in enumerate(found, 1)) / max(1, len(found))
print(repr(float(precisions.mean())))
"""
SDH = """
import sys, numpy as np
from scipy.io import savemat
rng = np.random.default_rng(5)
centres = rng.standard_normal((6, 12))
traingnd, testgnd = rng.integers(1, 7, (170, 1)), rng.integers(1, 9, (18, 1))
H, tH = (centres[gnd[:, 0] % 6] + rng.standard_normal((len(gnd), 12)) > 0 for gnd in (traingnd, testgnd))
B, tB = (np.packbits(bits, axis=1, bitorder="little") for bits in (H, tH))
savemat(f"{sys.argv[1]}/codes.mat", {"B": B, "tB": tB, "traingnd": traingnd, "testgnd": testgnd})
total = 0.0
for test in range(len(tH)):
    near = (H ^ tH[test]).sum(axis=1).argsort(kind="stable")
    hits = score = 0
    for place, item in enumerate(near, 1):
        if traingnd[item, 0] == testgnd[test, 0]:
            hits += 1
            score += hits / place
    total += score / max(hits, 1)
print(repr(total / len(tH)))
"""
NAMES = ("query", "database", "query_labels", "database_labels")
SCRIPTS = {
    "hashnet": (HASHNET, ("test_code.npy", "database_code.npy", "test_label.npy", "database_label.npy"), {"k": 5}),
    "deephash_pytorch": (DEEPHASH, [f"codes.npz:{name}" for name in ("tst", "trn", "tst_label", "trn_label")], {}),
    "semicon": (SEMICON, [f"codes.pt:{name}" for name in ("query", "base", "asked", "known")], {}),
    "adsh": (ADSH, [f"codes.h5:{part}/{kind}" for kind in ("codes", "labels") for part in ("query", "database")], {}),
    "sdh_demo": (SDH, [f"codes.mat:{name}" for name in ("tB", "B", "testgnd", "traingnd")], {"bits": 12}),
}


@pytest.mark.parametrize("convention", SCRIPTS)
def test_the_files_of_a_script_give_the_figure_that_it_printed(convention, tmp_path):
    script, files, more = SCRIPTS[convention]
    ended = warm.run(script, tmp_path)
    assert ended.returncode == 0, ended.stderr
    sources = {name: f"{tmp_path}/{file}" for name, file in zip(NAMES, files, strict=True)}
    found = {one: evaluate(**sources, convention=one, **more).map_by_convention for one in SCRIPTS}
    assert found[convention] == pytest.approx(float(ended.stdout), rel=1e-12)
    assert len({*found.values()}) > 1
