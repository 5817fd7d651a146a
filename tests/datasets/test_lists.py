import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.lists import read_table

WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
NAME = st.lists(WORD, min_size=1).map(" ".join)


@given(st.dictionaries(WORD, NAME, max_size=20))
def test_what_is_written_is_read_in_order(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_text("".join(f"{key} {value}\n" for key, value in entries.items()))
    table = read_table(path, "KEY VALUE")
    assert list(table.entries.items()) == list(entries.items())
    assert list(table.lines.values()) == list(range(1, len(entries) + 1))


def test_empty_lines_and_windows_line_ends_do_not_count_as_entries(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"1 one\r\n\r\n2 two words \r\n")
    table = read_table(path, "ID NAME")
    assert table.entries == {"1": "one", "2": "two words"}
    assert str(table.fault("2", "is wrong")) == f"{path}, line 3: is wrong"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 one\n2\n", r"list\.txt, line 2: '2', must be 'ID NAME'"),
        (b"1 one\n\n1 two\n", r"list\.txt, line 3: 1 was named before, in line 1"),
        (b"1 caf\xe9\n", r"list\.txt, line 1: not a text in UTF-8"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "list.txt", "ID NAME")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_byte_order_marks_say_the_encoding(tmp_path, encoding):
    mark = "\ufeff" if encoding[-3:] in ("-le", "-be") else ""
    (tmp_path / "list.txt").write_bytes(f"{mark}1 œuf\r\n2 日本\r\n".encode(encoding))
    assert read_table(tmp_path / "list.txt", "ID NAME").entries == {"1": "œuf", "2": "日本"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 one\r2 café\n".encode("latin-1"), "line 2: not a text in UTF-8"),
        ("1 one\n2 two\n".encode("utf-16-le"), "line 1: a zero byte, as of UTF-16 without a byte order mark"),
        ("1 one\n2 two\n".encode("utf-16")[:-1], "line 2: not a text in UTF-16"),
    ],
)
def test_other_encodings_are_refused_by_line(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"list\.txt, {message}"):
        read_table(tmp_path / "list.txt", "ID NAME")


def test_missing_list_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.txt: cannot be read \(No such file"):
        read_table(tmp_path / "gone.txt", "ID NAME")
