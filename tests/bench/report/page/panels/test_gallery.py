import base64
import json
import os
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bench.interfaces import Items
from bench.records import keys
from bench.report.page.panels import gallery, parts, pictures
from bench.stages import nearest
from tests.finished import IMAGE_CELLS, damage

HOSTILE = "<script>alert(1)</script>"


def stored_neighbours(run, key):
    position = list(run.cells["key"]).index(key)
    search = keys.search_key(run.pipeline, run.pipeline.grid.cells[position])
    return run.results.read("neighbours", search).arrays["neighbours"]


def shown(found):
    """Of each query of the gallery its row, and of each method the rows it found and what is said of them."""
    rows = [row for _, row in found["items"]]
    for choice in found["choices"]:
        for query in choice["queries"]:
            lines = [[one and (rows[one[0]], one[1]) for one in line] for line in query["found"]]
            yield rows[query["item"]], lines


@pytest.mark.long
def test_the_gallery_shows_the_stored_neighbours_with_their_labels_and_whether_they_are_right(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    found = gallery.panel(run.stored, 24)
    json.dumps(found, allow_nan=False)
    entry = run.pipeline.labels()
    database, query = entry.arrays["database"], entry.arrays["query"]
    assert set(found["keys"]) == set(run.cells["key"]) and found["judged_by"] == "label" and found["missing"] == []
    answers = [stored_neighbours(run, key) for key in found["keys"]]
    queries = list(shown(found))
    assert sorted(row for row, _ in queries) == list(range(12))  # there are no more than 12
    for row, lines in queries:
        for line, answer in zip(lines, answers, strict=True):
            assert [item for item, _ in line] == answer[row].tolist()
            assert [right for _, right in line] == (database[answer[row]] == query[row]).tolist()
    classes = entry.meta["classes"]
    arrays = {"database": database, "query": query}
    assert found["labels"] == [classes[arrays[split][row]] for split, row in found["items"]]
    assert '<img src=x onerror="alert(1)">' in found["labels"]


def test_each_item_stands_once_with_its_own_picture(finish, image_tree):
    root = image_tree(spread=0)
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=root)
    found = gallery.panel(run.stored, 24)
    items = [tuple(item) for item in found["items"]]
    assert len(items) == len(set(items)) == len(found["images"])
    files = {"database": "train", "query": "test"}
    for (split, row), label, text in zip(items, found["labels"], found["images"], strict=True):
        count = 8 if split == "database" else 4
        path = root / files[split] / label / f"{row % count}.png"
        own, small = (np.asarray(Image.open(file).convert("RGB")) for file in (path, BytesIO(base64.b64decode(text))))
        assert small.shape == own.shape and np.abs(own.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max() < 4


@pytest.mark.long
def test_worst_best_and_differing_queries_are_those_of_the_counts(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    found = gallery.panel(run.stored, 4)
    hits = {
        choice["id"]: [[sum(one[1] for one in line if one) for line in query["found"]] for query in choice["queries"]]
        for choice in found["choices"]
    }
    labels = run.pipeline.labels().arrays
    answers = [stored_neighbours(run, key) for key in found["keys"]]
    counts = np.stack([(labels["database"][one] == labels["query"][:, None]).sum(axis=1) for one in answers])
    assert np.ptp(hits["differ"][0]) == np.ptp(counts, axis=0).max()
    rest = [row for row in range(12) if row != next(shown(found))[0]]
    assert sum(hits["worst"][0]) == counts.sum(axis=0)[rest].min()
    assert sum(map(len, hits.values())) == 4


@pytest.mark.long
def test_the_same_records_give_the_same_gallery(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    assert gallery.panel(run.stored, 8) == gallery.panel(run.stored, 8)


@pytest.mark.long
def test_one_method_has_no_queries_in_which_it_differs_from_others(finish, image_tree):
    cells = '[[cells]]\nembedder = "toy_pixels"\nindex = "linear_scan"\n'
    run = finish(cells, dataset="image_folder", data_dir=image_tree())
    found = gallery.panel(run.stored, 6)
    assert len(found["keys"]) == 1
    assert [choice["id"] for choice in found["choices"]] == ["worst", "best", "random"]


@pytest.mark.long
def test_an_image_that_can_no_longer_be_read_has_no_picture_and_the_others_have_theirs(finish, image_tree, monkeypatch):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    before = gallery.panel(run.stored, 24)
    _, row = lost = next(item for item in before["items"] if item[0] == "database")

    class Damaged:
        def __init__(self, images):
            self.images = images

        def __getitem__(self, position):
            if position == row:
                raise OSError("image file is truncated")
            return self.images[position]

    read = pictures.images
    monkeypatch.setattr(
        pictures, "images", lambda *given: {**(every := read(*given)), "database": Damaged(every["database"])}
    )
    found = gallery.panel(run.stored, 24)
    assert [item for item, text in zip(found["items"], found["images"], strict=True) if text is None] == [lost]
    assert found["missing"] == [] and None not in before["images"]


@pytest.mark.long
def test_an_image_of_other_content_is_of_other_data_also_where_its_size_and_its_time_are_kept(finish, image_tree):
    root = image_tree()
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=root)
    path = min((root / "train").glob("*/*.png"))
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = gallery.panel(run.stored, 24)
    assert [one["reason"] for one in found["missing"]] == ["an array that it needs is no longer stored"]


@pytest.mark.long
def test_an_item_with_a_set_of_classes_is_right_if_it_shares_one_and_shows_them_all(finish, image_tree):
    root, rng, sets = image_tree(), np.random.default_rng(1), {}
    for name, folder in (("database", "train"), ("test", "test")):
        paths = sorted((root / folder).glob("*/*.png"))
        sets[name] = rng.random((len(paths), 4)) < 0.4
        for number, path in enumerate(paths):
            path.rename(root / f"{folder}{number}.png")
        lines = [f"{folder}{at} {' '.join(map(str, row.astype(int)))}" for at, row in enumerate(sets[name])]
        (root / f"{name}.txt").write_text("\n".join(line.replace(" ", ".png ", 1) for line in lines))
    (root / "classes.txt").write_text("sky\nsea\ndog\n<b>\n")
    run = finish(IMAGE_CELLS, dataset="image_lists", data_dir=root)
    found = gallery.panel(run.stored, 24)
    assert found["judged_by"] == "label" and found["missing"] == []
    for row, lines in shown(found):
        for line in lines:
            assert [right for _, right in line] == [(sets["database"][at] & sets["test"][row]).any() for at, _ in line]
    told = {"database": sets["database"], "query": sets["test"]}
    names = np.array(["sky", "sea", "dog", "<b>"])
    assert found["labels"] == [", ".join(names[told[split][row]]) for split, row in found["items"]]


class Unlabelled:
    """Thirty images without labels."""

    train_in_database = True
    content = "images"
    labelled = False
    classes = ()

    def __init__(self):
        pass

    def fingerprint(self):
        return "unlabelled"

    def load(self, context):
        pixels = np.random.default_rng(0).integers(0, 256, size=(30, 6, 6, 3), dtype=np.uint8)
        self._items = {
            name: Items(np.arange(30)[part], np.full(len(pixels[part]), -1), f"unlabelled/{name}", pixels[part])
            for name, part in (("database", slice(0, 18)), ("query", slice(18, 30)))
        }
        return self

    def split(self, name):
        return self._items["query" if name == "query" else "database"]


@pytest.fixture
def unlabelled(monkeypatch):
    import toy_plugins

    monkeypatch.setattr(toy_plugins, "Clusters", Unlabelled)


@pytest.mark.long
def test_without_labels_right_is_what_exact_search_finds(third_party, unlabelled, finish):
    run = finish(IMAGE_CELLS, dataset="toy_clusters")
    found = gallery.panel(run.stored, 24)
    assert found["judged_by"] == "exact" and found["labels"] is None
    exact = nearest.exact(run.pipeline, run.pipeline.grid.cells[0])
    for row, lines in shown(found):
        for line in lines:
            assert [right for _, right in line] == [item in exact[row] for item, _ in line]


@pytest.mark.long
def test_fewer_items_than_places_leave_places_empty(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree(), top="k = 20\nseeds = [0]")
    short = run.cells.loc[run.cells["index"] == "toy_scan", "key"].iloc[0]
    search = keys.search_key(run.pipeline, run.pipeline.grid.cells[list(run.cells["key"]).index(short)])
    entry = run.results.read("neighbours", search)
    answer = entry.arrays["neighbours"].copy()
    answer[:, 4:] = -1
    run.results.write("neighbours", search, entry.meta, {"neighbours": answer})
    found = gallery.panel(run.stored, 24)
    at = found["keys"].index(short)
    assert found["shown"] == gallery.MOST_SHOWN and found["k"] == 20
    for _, lines in shown(found):
        assert lines[at][4:] == [None] * 6 and None not in lines[at][:4]


@pytest.mark.long
def test_neighbours_that_are_damaged_are_named_and_the_other_method_stands_alone(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    damage(run.results, "neighbours")
    found = gallery.panel(run.stored, 24)
    assert found == {"missing": [{"cells": 2, "reason": "an array that it needs is damaged"}]}


@pytest.mark.long
def test_a_data_set_that_can_no_longer_be_loaded_is_named_in_words(finish, image_tree, monkeypatch):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())

    def fail(self, context):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("datasets.image_set.ImageSet.load", fail)
    found = gallery.panel(run.stored, 24)
    assert found["missing"] == [{"cells": None, "reason": "the data set could not be loaded: the disk is on fire"}]


def test_a_hostile_class_is_a_text_like_any_other(finish, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    key, entry = run.pipeline.labels_key, run.pipeline.labels()
    classes = [HOSTILE, *entry.meta["classes"][1:]]
    run.pipeline.store.write("labels", key, {**entry.meta, "classes": classes}, entry.arrays)
    assert HOSTILE in gallery.panel(run.stored, 24)["labels"]


@pytest.mark.long
def test_no_gallery_is_made_where_none_is_asked_for_of_vectors_or_of_rankings(finish, image_tree, vectors_dir):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    assert gallery.panel(run.stored, 0) is None
    assert gallery.panel(replace_status(run), 24) is None
    run = finish('[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n', data_dir=vectors_dir)
    assert gallery.panel(run.stored, 24) is None


def replace_status(run):
    run.stored.cells["status"] = "skipped"
    return run.stored


@pytest.mark.long
def test_all_panels_are_plain_values_and_those_without_anything_to_show_are_left_out(finish, vectors_dir, image_tree):
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    found = parts(run.pipeline, run.results, run.cells, 6)
    json.dumps(found, allow_nan=False)
    assert set(found) == {"ecdf", "difficulty", "gallery"}
    run = finish('[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n', data_dir=vectors_dir)
    assert set(parts(run.pipeline, run.results, run.cells, 6)) == {"ecdf", "difficulty"}


def test_panels_make_nothing_and_do_not_load_a_data_set_of_vectors(finish, vectors_dir, monkeypatch):
    run = finish('[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n', data_dir=vectors_dir)
    before = sorted(path for path in run.root.rglob("*") if path.is_file())
    monkeypatch.delattr("datasets.vectors.VectorSet.load")
    assert parts(run.pipeline, run.results, run.cells, 24)
    assert sorted(path for path in run.root.rglob("*") if path.is_file()) == before
