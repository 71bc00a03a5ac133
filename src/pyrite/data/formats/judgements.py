"""What the lines of BEIR's and TREC's judgement files have in common, and either read without its collection."""

from __future__ import annotations

import re
from pathlib import Path

from pyrite.data.formats.lines import Line, raise_problems, read_lines
from pyrite.data.records import Judgment
from pyrite.data.tables import Qrels
from pyrite.errors import Problem

__all__ = ["JudgementParser", "read_judgements", "unwritable_ids"]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_LARGEST_GRADE = 2**31 - 1
_UNWRITABLE = re.compile(r"[\t\n\r]|^\ufeff|^$")


class JudgementParser:
    """Turns columns into judgements and notes what is wrong with them.

    It remembers the pairs of one file, so that a pair that is judged twice is found.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}

    def parse(self, line: Line, query_id: str, doc_id: str, grade: str) -> Judgment | None:
        """Return the judgement, or None where the line has a fault."""
        for name, row_id in (("query", query_id), ("document", doc_id)):
            if not row_id:
                line.fault(f"the {name} id is empty")
        value = self._grade(line, grade.strip())
        if not line.valid:
            return None
        self._note_repeat(line, (query_id, doc_id), value)
        return Judgment(query_id, doc_id, value) if line.valid else None

    @staticmethod
    def _grade(line: Line, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            line.fault(f"the grade {text!r} is no integer")
            return 0
        grade = int(text[:20])
        if grade < 0:
            line.fault(f"the grade {text} is negative; grades go from 0, judged and not relevant, up")
        if grade > _LARGEST_GRADE:
            line.fault(f"the grade {text} is above the largest allowed, {_LARGEST_GRADE}")
        return grade

    def _note_repeat(self, line: Line, pair: tuple[str, str], grade: int) -> None:
        number, first = self._seen.setdefault(pair, (line.number, grade))
        if number == line.number:
            return
        what = f"the query {pair[0]!r} and the document {pair[1]!r} are judged in line {number} already"
        line.fault(what + (", with the same grade" if first == grade else f", with grade {first} and not {grade}"))


def unwritable_ids(ids: set[str], pattern: re.Pattern[str] = _UNWRITABLE) -> list[str]:
    r"""Return the ids, sorted, that a file with columns cannot hold.

    Args:
        ids: The ids.
        pattern: Finds what may not be in an id; by default tabs and line ends.

    Example:
        >>> unwritable_ids({"d1", "d\t2", ""})
        ['', 'd\t2']
    """
    return sorted(row_id for row_id in ids if pattern.search(row_id))


def read_judgements(path: Path) -> Qrels:
    """Read a judgement file of BEIR (`query id, document id, grade`, perhaps a header) or TREC, told by its columns.

    Unlike in a BEIR folder, ids are not compared with a corpus or queries.

    Args:
        path: The file, plain or with `.gz`.

    Raises:
        DataError: Every line with another number of columns, or as in `read_qrels`.
    """
    problems: list[Problem] = []
    parser, kept = JudgementParser(), []
    for position, line in enumerate(read_lines(Path(path), problems)):
        columns = line.text.split("\t") if "\t" in line.text else line.text.split()
        if position == 0 and len(columns) == 3 and not _INTEGER.fullmatch(columns[2].strip()):
            continue
        if len(columns) not in {3, 4}:
            line.fault(f"{len(columns)} columns, wants 3 of BEIR (query id, document id, grade) or 4 of TREC")
        elif judgment := parser.parse(line, columns[0], columns[-2], columns[-1]):
            kept.append(judgment)
    if not problems and not kept:
        problems.append(Problem(str(path), None, "holds no judgements"))
    raise_problems(problems, f"the judgements {path}")
    return Qrels.from_rows(kept)
