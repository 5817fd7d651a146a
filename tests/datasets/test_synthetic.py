from itertools import pairwise

import numpy as np
import pytest

from bench.interfaces import Context
from datasets import render, scenes
from datasets.synthetic import SyntheticFood101

SMALL = {"class_count": 10, "train_per_class": 6, "query_per_class": 3, "family_size": 5}


def made(**parameters):
    return SyntheticFood101(**{**SMALL, **parameters}).load(Context())


def pixels(items):
    return np.stack([items.images[i] for i in range(len(items))])


def test_shapes_types_and_balanced_labels():
    dataset = made()
    for name, per_class in (("train", 6), ("query", 3)):
        items = dataset.split(name)
        images = pixels(items)
        assert images.shape == (10 * per_class, 32, 32, 3) and images.dtype == np.uint8
        assert items.labels.dtype == items.ids.dtype == np.int64
        assert np.bincount(items.labels).tolist() == [per_class] * 10
        assert dataset.parts(name).shape == (10 * per_class, 5, 4)
    assert len(dataset.classes) == 10 and len(set(dataset.classes)) == 10


def test_train_is_the_database_and_shares_no_id_with_the_queries():
    dataset = made()
    assert dataset.train_in_database
    assert np.array_equal(dataset.split("train").ids, dataset.split("database").ids)
    assert dataset.split("train").fingerprint == dataset.split("database").fingerprint
    assert not set(dataset.split("train").ids) & set(dataset.split("query").ids)
    assert dataset.shared_with_database == 0


def test_same_seed_same_images_other_seed_others():
    first, second, other = made(), made(), made(seed=1)
    assert np.array_equal(pixels(first.split("train")), pixels(second.split("train")))
    assert np.array_equal(first.split("query").labels, second.split("query").labels)
    assert not np.array_equal(pixels(first.split("train")), pixels(other.split("train")))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()


def test_images_do_not_depend_on_the_number_of_threads(monkeypatch):
    several = made(train_per_class=300)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert np.array_equal(pixels(several.split("train")), pixels(made(train_per_class=300).split("train")))


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 24},
        {"class_count": 9},
        {"train_per_class": 7},
        {"query_per_class": 4},
        {"family_size": 4},
        {"distractors": 2},
        {"radius_low": 0.1},
        {"radius_high": 0.2},
        {"detail": 0.3},
        {"colour_jitter": 0.5},
        {"occlusion": 0.5},
        {"noise": 0.1},
    ],
)
def test_every_parameter_changes_the_fingerprint(change):
    assert SyntheticFood101(**{**SMALL, **change}).fingerprint() != SyntheticFood101(**SMALL).fingerprint()


def test_cache_holds_the_same_images_and_is_read_the_second_time(tmp_path, monkeypatch):
    in_memory = made()
    cached = SyntheticFood101(**SMALL).load(Context(cache=tmp_path))
    monkeypatch.setattr(render, "render", lambda *_: pytest.fail("rendered again"))
    again = SyntheticFood101(**SMALL).load(Context(cache=tmp_path))
    for dataset in (cached, again):
        assert np.array_equal(pixels(dataset.split("query")), pixels(in_memory.split("query")))
        assert np.array_equal(dataset.parts("train"), in_memory.parts("train"))
        assert np.array_equal(dataset.split("train").labels, in_memory.split("train").labels)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [f"synthetic-{cached.fingerprint()}"]


def test_an_interrupted_making_leaves_nothing_to_be_mistaken_for_images(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "render", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        SyntheticFood101(**SMALL).load(Context(cache=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_progress_passes_through_track():
    seen = []

    def track(steps, description, total):
        seen.append((description, total))
        return steps

    SyntheticFood101(**SMALL).load(Context(track=track))
    assert ("synthetic images", 1) in seen


def test_pixels_change_only_inside_the_disc_of_the_part_that_changes():
    rng = np.random.default_rng(3)
    glyphs = scenes.class_glyphs(10, 5, 0)
    difficulty = {**made().difficulty, "noise": 0.0, "occlusion": 0.0}
    drawn = scenes.draw(glyphs, 64, difficulty, 1, rng)
    with_parts = np.empty((10, 64, 64, 3), dtype=np.uint8)
    render.render(drawn, with_parts)
    axis = (np.arange(64) + 0.5) / 64
    for part in range(5):
        recoloured = drawn.colours.copy()
        recoloured[:, part] = 1 - recoloured[:, part]
        other = np.empty_like(with_parts)
        render.render(scenes.Scenes(**{**vars(drawn), "colours": recoloured}), other)
        changed = (with_parts != other).any(axis=3)
        x, y, radius = (drawn.parts[:, part, i, None, None] for i in range(3))
        distance = np.hypot(axis[None, None, :] - x, axis[None, :, None] - y)
        assert not changed[distance > render.REACH * radius + 1 / 64].any()
        assert (changed.sum(axis=(1, 2)) > 0.15 * np.pi * (radius[:, 0, 0] * 64) ** 2).all()


def test_parts_lie_within_the_image_and_hardly_overlap():
    parts = made(train_per_class=50).parts("train")
    assert (parts[:, :, :2] - parts[:, :, 2:3] > -0.05).all()
    assert (parts[:, :, :2] + parts[:, :, 2:3] < 1.05).all()
    apart = np.linalg.norm(parts[:, :, None, :2] - parts[:, None, :, :2], axis=3)
    assert apart[:, ~np.eye(5, dtype=bool)].min() > 0.13


def test_an_image_shows_the_glyphs_of_its_class_and_distractors_of_other_types():
    dataset = made(distractors=2)
    glyphs = scenes.class_glyphs(10, 5, 0)
    for name in ("train", "query"):
        shown = dataset.parts(name)[:, :, 3].astype(int)
        assert np.array_equal(shown[:, :4], glyphs[dataset.split(name).labels])
        types = np.sort(shown // len(scenes.VARIANTS), axis=1)
        assert all((before != after).all() for before, after in pairwise(types.T))


def test_place_and_rotation_say_nothing_of_the_class():
    """Class means of a part's place differ no more than chance lets them: within 5 standard errors."""
    dataset = made(class_count=4, train_per_class=400)
    labels, parts = dataset.split("train").labels, dataset.parts("train")
    means = np.stack([parts[labels == label, :4, :2].mean(axis=0) for label in range(4)])
    error = parts[:, :4, :2].std(axis=0) / np.sqrt(400)
    assert (np.abs(means - means.mean(axis=0)) < 5 * error).all()


def test_every_part_of_a_class_stands_in_the_middle_as_often():
    """Of five places one is near the middle: each part has it in a fifth of the images, within 5 standard errors."""
    parts = made(class_count=4, train_per_class=400).parts("train")
    middle = parts[:, :, :2].mean(axis=1, keepdims=True)
    nearest = np.linalg.norm(parts[:, :, :2] - middle, axis=2).argmin(axis=1)
    share = np.bincount(nearest, minlength=5) / len(parts)
    assert (np.abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / len(parts))).all()


def test_classes_are_distinct_and_differ_from_a_neighbour_in_one_or_two_variants():
    glyphs = scenes.class_glyphs(101, 8, 0)
    assert glyphs.shape == (101, 4) and len({tuple(row) for row in glyphs}) == 101
    for start in range(0, 101, 8):
        family = glyphs[start : start + 8]
        assert (family // 4 == family[0] // 4).all()
        assert set((family[1:] != family[0]).sum(axis=1)) <= {1, 2}


def test_families_show_different_sets_of_types():
    types = np.sort(scenes.class_glyphs(101, 8, 0)[::8] // 4, axis=1)
    assert len({tuple(row) for row in types}) == 13


def test_shapes_and_variants_all_look_different():
    count = len(scenes.TYPES) * len(scenes.VARIANTS)
    one = scenes.draw(np.zeros((count, 4), dtype=np.int64), 32, made().difficulty, 0, np.random.default_rng(0))
    alike = {name: np.repeat(values[:1], count, axis=0) for name, values in vars(one).items()}
    alike["parts"][:, 0, 3] = np.arange(count)
    out = np.empty((count, 32, 32, 3), dtype=np.uint8)
    render.render(scenes.Scenes(**alike), out)
    difference = np.abs(out[:, None].astype(int) - out[None]).max(axis=4) > 40
    assert difference.sum(axis=(2, 3))[~np.eye(count, dtype=bool)].min() >= 4


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("class_count", 1),
        ("image_size", 4),
        ("train_per_class", 0),
        ("family_size", 68),
        ("distractors", 5),
        ("radius_low", 0.5),
        ("detail", 1.5),
        ("noise", -0.1),
        ("occlusion", float("nan")),
        ("seed", -1),
    ],
)
def test_bad_parameter_is_named_with_its_value(parameter, value):
    with pytest.raises(ValueError, match=rf"{parameter} is {value}; allowed"):
        SyntheticFood101(**{parameter: value})


def test_split_before_load_is_refused():
    with pytest.raises(ValueError, match="before load"):
        SyntheticFood101().split("train")
