"""Reading line by line, where files are at their oddest."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from pyrite.data.formats.fields import ids_field, numbers_field
from pyrite.data.formats.lines import Line, describe, raise_problems, read_lines, read_objects, write_lines
from pyrite.errors import DataError, Problem


def lines_of(path: Path, data: bytes) -> tuple[list[tuple[int, str]], list[Problem]]:
    path.write_bytes(data)
    problems: list[Problem] = []
    return [(line.number, line.text) for line in read_lines(path, problems)], problems


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    text = "a\u2028b\x0bc\x85d\re\r\n\n \t\r\nlast\r"
    lines, problems = lines_of(tmp_path / "f", text.encode())
    assert lines == [(1, "a\u2028b\x0bc\x85d\re"), (4, "last")]
    assert problems == []


def test_a_byte_order_mark_is_taken_off_the_first_line_alone(tmp_path: Path) -> None:
    lines, _ = lines_of(tmp_path / "f", "\ufeffa\n\ufeffb".encode())
    assert lines == [(1, "a"), (2, "\ufeffb")]


def test_reading_goes_on_behind_a_line_that_is_not_utf8(tmp_path: Path) -> None:
    lines, problems = lines_of(tmp_path / "f", b"a\n\xff\xfe\nb")
    assert lines == [(1, "a"), (3, "b")]
    assert [str(problem) for problem in problems] == [f"{tmp_path}/f:2: not UTF-8: byte 0xff in position 1 of the line"]


@pytest.mark.parametrize("damage", ["not packed", "checksum"])
def test_packed_files_that_are_damaged(tmp_path: Path, damage: str) -> None:
    packer = zlib.compressobj(wbits=31)
    data = bytearray(packer.compress(b"line\n" * 1000) + packer.flush())
    if damage == "checksum":
        data[-6] ^= 0xFF
    lines, problems = lines_of(tmp_path / "f.gz", b"plain text\n" if damage == "not packed" else bytes(data))
    assert len(lines) == (0 if damage == "not packed" else 1000)
    assert [problem.what.split(":")[0] for problem in problems] == [f"cannot be read beyond line {len(lines)}"]


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert list(read_lines(tmp_path, problems)) == []
    assert "Is a directory" in problems[0].what


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"a": 1', "broken JSON: Expecting ',' delimiter in column 8"),
        ("[" * 100_000, "broken JSON: nested too deeply"),
        ('{"a": -Infinity}', "broken JSON: -Infinity is no JSON number"),
        ('{"a": "\\uDFFF"}', "broken JSON: an escape stands for half a surrogate pair"),
        ('{"a": ' + "9" * 5000 + "}", "broken JSON: Exceeds the limit"),
        ("null", "null, wants a JSON object"),
        ('"text"', "a string, wants a JSON object"),
    ],
)
def test_lines_that_are_no_objects(tmp_path: Path, line: str, fault: str) -> None:
    (tmp_path / "f").write_text(line)
    problems: list[Problem] = []
    assert list(read_objects(tmp_path / "f", problems)) == []
    assert len(problems) == 1
    assert problems[0].what.startswith(fault)


def test_a_whole_surrogate_pair_is_a_letter(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"a": "\\ud83d\\ude42"}')
    problems: list[Problem] = []
    assert [record for _, record in read_objects(tmp_path / "f", problems)] == [{"a": "🙂"}]
    assert problems == []


def test_lists_beside_texts() -> None:
    problems: list[Problem] = []
    line = Line("f", 3, "", problems)
    row = {"ids": ["a", None, 7], "scores": [1, None, 0.5]}
    assert ids_field(line, row, "ids", 3) == ["a", None, "7"]
    assert numbers_field(line, row, "scores", 3) == [1.0, None, 0.5]
    assert numbers_field(line, row, "absent", 2) == [None, None]
    assert line.valid
    assert numbers_field(line, {"scores": [float("nan"), 1, 2]}, "scores", 3) == [None] * 3
    assert [str(problem) for problem in problems] == ["f:3: item 1 of `scores` is nan, wants a finite number or null"]


def test_problems_are_raised_together_or_not_at_all() -> None:
    raise_problems([], "the file f")
    with pytest.raises(DataError, match=r"^2 problems in the file f\n  f:1: a\n  f: b$"):
        raise_problems([Problem("f", 1, "a"), Problem("f", None, "b")], "the file f")


def test_written_lines_end_alike_everywhere(tmp_path: Path) -> None:
    write_lines(tmp_path / "f", ["ä", "b\r"])
    assert (tmp_path / "f").read_bytes() == "ä\nb\r\n".encode()


def test_the_names_of_json_types() -> None:
    values = [{}, [], "", True, 1, 1.5, None, b""]
    names = ["an object", "a list", "a string", "a boolean", "a number", "a number", "null", "a bytes"]
    assert [describe(value) for value in values] == names
