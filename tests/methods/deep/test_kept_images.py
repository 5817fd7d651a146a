"""Resized images in the cache: made once, the same pixels as without, made again when damaged, none without room."""

import json
import multiprocessing
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.interfaces import Context, Items
from bench.store.entries import Store
from methods import kept_images, trunk
from methods.backbones import BackboneChoice, load
from methods.kept_images import keep
from methods.pixels import prepared, shrunk
from methods.reading import Reading


class Files:
    """Images that are decoded one by one, of several shapes; ``decoded`` counts how often."""

    def __init__(self, count=7, seed=0):
        rng = np.random.default_rng(seed)
        self.images = [rng.integers(0, 256, (20 + n, 30 - n, 3), dtype=np.uint8) for n in range(count)]
        self.decoded = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, position):
        self.decoded += 1
        return self.images[position]


def items_of(files, fingerprint="files"):
    return Items(np.arange(len(files)), np.arange(len(files)) % 2, fingerprint, images=files)


def inputs_of(items, context, **reading):
    choice = BackboneChoice("small", "none", 16, False, 0, Reading(**reading))
    return trunk.open_inputs(items, load(choice, 0), False, context)


def batches(inputs, seed=None):
    return torch.cat(list(inputs.batches([np.array([0, 3]), np.array([6, 2, 2])], seed)))


@pytest.mark.parametrize("preprocessing", ["crop", "squash"])
@pytest.mark.parametrize("augmentation", ["none", "shift", "resized_crop", "random_crop"])
@pytest.mark.parametrize("side", [0, 24])
def test_pixels_are_the_same_from_the_cache(tmp_path, preprocessing, augmentation, side):
    reading = {"preprocessing": preprocessing, "augmentation": augmentation, "cached_side": side}
    cached = inputs_of(items_of(Files()), Context(cache=tmp_path), **reading)
    plain = inputs_of(items_of(Files()), Context(), **reading)
    for seed in (None, (5, 1)):
        assert torch.equal(batches(cached, seed), batches(plain, seed))


def test_a_file_is_decoded_once_for_all_passes_and_runs(tmp_path):
    first, second = Files(), Files()
    reading = {"preprocessing": "crop", "augmentation": "resized_crop", "cached_side": 24}
    for files in (first, second):
        inputs = inputs_of(items_of(files), Context(cache=tmp_path), **reading)
        for number in range(3):
            batches(inputs)
            batches(inputs, (0, number))
    # Once to see how much room is needed, and once to keep it; for squares, and for images to crop.
    assert first.decoded == 4 * 7 and second.decoded == 0


def test_kept_images_are_those_that_were_asked_for(tmp_path):
    files = Files()
    kept = keep(items_of(files), Context(cache=tmp_path))
    squares, smaller = kept.squares(16, "crop"), kept.shrunk(22)
    for number, image in enumerate(files.images):
        np.testing.assert_array_equal(squares[number], prepared(image, 16, "crop"))
        np.testing.assert_array_equal(smaller[number], shrunk(image, 22))


def test_other_items_sizes_and_preprocessings_have_other_entries(tmp_path):
    for fingerprint in ("a", "b"):
        kept = keep(items_of(Files(), fingerprint), Context(cache=tmp_path))
        for size, preprocessing in ((16, "crop"), (16, "squash"), (17, "crop")):
            kept.squares(size, preprocessing)
        kept.shrunk(16)
    assert len(list((tmp_path / "pixels").iterdir())) == 8


def test_an_entry_is_one_of_the_store(tmp_path):
    """So ``gc`` verifies it and can remove it by age."""
    keep(items_of(Files()), Context(cache=tmp_path)).squares(16, "crop")
    store = Store(tmp_path)
    (key,) = store.keys("pixels")
    assert store.is_sound("pixels", key) and store.kinds() == ["pixels"]
    assert store.read("pixels", key).arrays["pixels"].shape == (7 * 16 * 16 * 3,)


@pytest.mark.parametrize("fault", ["changed", "cut", "missing", "no entry"])
def test_a_damaged_entry_is_made_again(tmp_path, fault):
    said = []
    context = Context(cache=tmp_path, say=said.append)
    wanted = keep(items_of(Files()), context).squares(16, "crop").copy()
    (folder,) = (tmp_path / "pixels").iterdir()
    path = folder / "pixels.npy"
    if fault == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif fault == "missing":
        path.unlink()
    else:
        (folder / "entry.json").write_text("{", encoding="utf-8")
    np.testing.assert_array_equal(keep(items_of(Files()), context).squares(16, "crop"), wanted)
    assert len(said) == 1 and str(folder) in said[0] and Store(tmp_path).is_sound("pixels", folder.name)


def test_without_room_each_pass_decodes_and_a_line_says_so(tmp_path, monkeypatch):
    free = namedtuple("Usage", "free")(2 * 7 * 16 * 16 * 3 - 1)
    monkeypatch.setattr(kept_images.shutil, "disk_usage", lambda folder: free)
    said, files = [], Files()
    inputs = inputs_of(items_of(files), Context(cache=tmp_path, say=said.append), preprocessing="crop")
    wanted = batches(inputs_of(items_of(Files()), Context(), preprocessing="crop"))
    for _ in range(2):
        assert torch.equal(batches(inputs), wanted)
    assert len(said) == 1 and "7 resized images" in said[0] and str(tmp_path) in said[0]
    assert not list(tmp_path.rglob("*.npy"))


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(path, blocks):
        raise OSError(28, "no space")

    monkeypatch.setattr(kept_images, "_write_pixels", full)
    said = []
    assert keep(items_of(Files()), Context(cache=tmp_path, say=said.append)).squares(16, "crop") is None
    assert len(said) == 1 and not list((tmp_path / "pixels").iterdir())


@pytest.mark.parametrize("left_out", ["cache", "fingerprint", "files"])
def test_nothing_is_kept_of_arrays_or_of_items_without_a_fingerprint(tmp_path, left_out):
    items = items_of(Files())
    if left_out == "fingerprint":
        items = replace(items, fingerprint="")
    if left_out == "files":
        items = replace(items, images=np.zeros((7, 20, 20, 3), np.uint8))
    context = Context(cache=None if left_out == "cache" else tmp_path)
    assert keep(items, context) is None
    if left_out == "files":
        assert keep(items.take(np.array([1, 0])), context) is None


def _make(folder, queue):
    files = Files()
    queue.put((keep(items_of(files), Context(cache=folder)).squares(16, "crop").sum(), files.decoded))


def test_one_of_several_processes_makes_an_entry(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_make, args=(tmp_path, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert len({int(total) for total, _ in found}) == 1 and sorted(decoded for _, decoded in found) == [0, 0, 14]
    (entry,) = (tmp_path / "pixels").glob("*/entry.json")
    assert json.loads(entry.read_text(encoding="utf-8"))["meta"]["items"] == "files"
