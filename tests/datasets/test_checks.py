import numpy as np
import pytest

from bench.interfaces import Context, Items
from datasets.checks import check_items, content_hash, file_hash, needed_folder


def items(labels, first_id=0, fingerprint="x"):
    labels = np.array(labels, dtype=np.int64)
    return Items(np.arange(first_id, first_id + len(labels)), labels, fingerprint)


def hashes(contents):
    return [content_hash(str(content).encode()) for content in contents]


def check(database, query, contents=None, classes=("a", "b"), cache=None):
    contents = contents or (range(len(database)), range(10_000, 10_000 + len(query)))
    pair = (hashes(contents[0]), hashes(contents[1]))
    return check_items("SOURCE", classes, database, query, pair, Context(cache=cache))


def test_counts_each_query_whose_content_stands_in_the_database():
    database, query = items([0] * 50), items([1] * 1000, first_id=50)
    # Queries 3 and 9 both equal database item 7; 10 and 11 equal each other only.
    contents = [f"q{i}" for i in range(1000)]
    contents[3] = contents[9] = "d7"
    contents[10] = contents[11]
    assert check(database, query, ([f"d{i}" for i in range(50)], contents)) == 2


@pytest.mark.parametrize(("twins", "leak"), [(5, False), (6, True)])
def test_more_than_half_a_percent_of_twins_is_a_leak(twins, leak):
    database, query = items([0] * 10), items([1] * 1000, first_id=10)
    contents = (range(10), [*range(100, 1100 - twins), *range(twins)])
    if leak:
        with pytest.raises(ValueError, match=r"SOURCE: 6 of 1000 .* query item 994 = database item 0.*0\.5%"):
            check(database, query, contents)
    else:
        assert check(database, query, contents) == 5


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="SOURCE: 1 class: retrieval by label needs at least 2"):
        check(items([0]), items([0], 1), classes=("a",))


@pytest.mark.parametrize("label", [-1, 2])
def test_label_out_of_range_is_named(label):
    with pytest.raises(ValueError, match=rf"query item 1 has label {label}, not in 0\.\.1"):
        check(items([0, 1]), items([0, label], 2))


def test_id_in_both_splits_is_refused():
    with pytest.raises(ValueError, match="1 ids are in database and query, first 2"):
        check(items([0, 1, 0]), items([0], first_id=2))


def test_empty_split_is_refused():
    with pytest.raises(ValueError, match="the query split is empty"):
        check(items([0, 1]), items([], 2))


def test_kept_count_saves_the_hashes_but_only_for_the_same_items(tmp_path):
    database, query = items([0] * 3, fingerprint="d"), items([1] * 300, 3, fingerprint="q")
    contents = (range(3), [0, *range(10, 309)])
    assert check(database, query, contents, cache=tmp_path) == 1

    def untouched():
        pytest.fail("hashed again")
        yield b""

    again = check_items("SOURCE", ("a", "b"), database, query, (untouched(), untouched()), Context(cache=tmp_path))
    assert again == 1
    other = items([1] * 300, 3, fingerprint="other")
    assert check(database, other, cache=tmp_path) == 0


def test_a_leak_is_found_again_the_second_time(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match="leak"):
            check(items([0]), items([1], 1), ([5], [5]), cache=tmp_path)


def test_file_hash_depends_on_names_and_contents(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"12")
    second.write_bytes(b"3")
    before = file_hash([first, second])
    assert before == file_hash([first, second]) != file_hash([second, first])
    first.write_bytes(b"1")
    second.write_bytes(b"23")
    assert file_hash([first, second]) != before


def test_missing_data_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="--data-dir is needed: a folder holding THIS"):
        needed_folder(None, "THIS")
    with pytest.raises(ValueError, match=r"gone: no such folder; it must hold THIS"):
        needed_folder(tmp_path / "gone", "THIS")
