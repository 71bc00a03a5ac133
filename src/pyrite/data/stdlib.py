"""A retrieval collection that every Python installation carries: its own standard library.

Each documented function, class or method is a document: its source without docstrings. The first sentence
of its docstring is the query. The sources are parsed, never imported.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import re
import sysconfig
import textwrap
import tokenize
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyrite.data.collection import Collection
from pyrite.data.records import Document, Judgment, Query
from pyrite.data.tables import Corpus, Qrels, Queries
from pyrite.errors import DataError
from pyrite.seeds import derive_seed

__all__ = ["first_sentence", "read_stdlib", "stdlib_hash"]

_SPLITS = (("train", 0.75), ("dev", 0.83), ("test", 1.0))
"""Each split with the upper end of its share of the hash's range."""

# Tests repeat what they test, installed packages are not the library, and pydoc's topics are a generated table.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib-dynload", "__pycache__", "pydoc_data"}
_LEFT_OUT_STARTS = ("config-", "_sysconfigdata")
_FEWEST_WORDS = 3
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "cf.", "vs.")

# The fields of a syntax tree's nodes that hold statements, in the order of the source.
_BLOCKS = ("body", "handlers", "cases", "orelse", "finalbody")

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read_stdlib(folder: Path | None = None) -> Collection:
    """Read the standard library as a collection.

    A document's id is "module:qualified name", with "#2" for a second one of the same name, its title is empty, and
    its text is its source from the first decorator on, without any docstring. The query "q:" + id is
    the first sentence of its docstring, where that has at least three words. Documents with the
    same normalised text are copies: a query of one counts all as relevant, since an unlabelled copy
    would be a false negative.

    The splits train, dev and test are cut by module, about .75, .08 and .17, by a hash of the module's name: no module
    is in two of them.

    Args:
        folder: Where the sources lie; by default, the running interpreter's library.

    Returns:
        The collection "stdlib". The corpus' metadata give `source_hash` (as `stdlib_hash`), `files`,
        and `skipped_files`, which do not parse.

    Raises:
        DataError: The folder is missing, or holds no documented definition.
    """
    sources = _sources(folder)
    entries: list[_Entry] = []
    skipped = 0
    for module, data in sources.items():
        try:
            entries.extend(_entries(module, data))
        except (SyntaxError, ValueError, RecursionError):
            skipped += 1
    if not entries:
        raise DataError(f"{_library(folder)}: none of {len(sources)} Python files holds a documented definition")
    facts = {"source_hash": _hash(sources), "files": len(sources), "skipped_files": skipped}
    corpus = Corpus.from_rows((Document(entry.doc_id, entry.text) for entry in entries), facts)
    queries = Queries.from_rows(Query(entry.query_id, entry.sentence) for entry in entries)
    return Collection("stdlib", corpus, queries, _judge(entries, corpus.copy_keys().tolist()))


def stdlib_hash(folder: Path | None = None) -> str:
    """Return the SHA-256, in hexadecimal, of the sources that `read_stdlib` reads: names and bytes.

    Args:
        folder: Where the sources lie; by default, the running interpreter's library.

    Raises:
        DataError: The folder is missing.
    """
    return _hash(_sources(folder))


def first_sentence(docstring: str) -> str:
    r"""Return the first sentence of a docstring's first paragraph, on one line.

    Example:
        >>> first_sentence("Return a name,\n    e.g. a path. Or None.\n\n    More.")
        'Return a name, e.g. a path.'
    """
    paragraph = re.split(r"\n\s*\n", docstring.strip(), maxsplit=1)[0]
    text = " ".join(paragraph.split())
    for match in _SENTENCE_END.finditer(text):
        if not text[: match.end()].lower().endswith(_ABBREVIATIONS):
            return text[: match.end()]
    return text


@dataclass(frozen=True, slots=True)
class _Entry:
    """One documented definition."""

    module: str
    doc_id: str
    sentence: str
    text: str

    @property
    def query_id(self) -> str:
        return f"q:{self.doc_id}"


def _library(folder: Path | None) -> Path:
    return Path(sysconfig.get_paths()["stdlib"]) if folder is None else Path(folder)


def _sources(folder: Path | None) -> dict[str, bytes]:
    """Return {module name: source} in the order of the names."""
    library = _library(folder)
    if not library.is_dir():
        raise DataError(f"{library}: there is no such folder; it should hold the standard library's sources")
    found: dict[str, bytes] = {}
    for parent, folders, files in os.walk(library):
        folders[:] = [name for name in folders if not _is_left_out(name)]
        for name in files:
            if name.endswith(".py") and not _is_left_out(name):
                path = Path(parent, name)
                found[_module_name(path.relative_to(library))] = path.read_bytes()
    return dict(sorted(found.items()))


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith(_LEFT_OUT_STARTS)


def _module_name(relative: Path) -> str:
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


def _hash(sources: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for module, data in sources.items():
        digest.update(f"{module}\0{hashlib.sha256(data).hexdigest()}\0".encode())
    return digest.hexdigest()


def _entries(module: str, data: bytes) -> Iterator[_Entry]:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    source = data.decode(encoding).replace("\r\n", "\n")
    with warnings.catch_warnings():
        # The library's own warnings about old escapes are not the reader's business.
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    definitions = list(_definitions(tree, ""))
    cutter = _Cutter(source.encode(), [node for _, node in definitions])
    counts: Counter[str] = Counter()
    for name, node in definitions:
        sentence = first_sentence(ast.get_docstring(node) or "")
        if len(node.body) < 2 or len(sentence.split()) < _FEWEST_WORDS:
            continue
        counts[name] += 1
        number = f"#{counts[name]}" if counts[name] > 1 else ""
        yield _Entry(module, f"{module}:{name}{number}", sentence, cutter.text(node))


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Definition]]:
    """Yield every function, class and method with its qualified name, in the order of the source."""
    statements = (child for block in _BLOCKS for child in getattr(node, block, ()))
    for child in statements:
        if isinstance(child, _Definition):
            name = prefix + child.name
            yield name, child
            yield from _definitions(child, f"{name}." if isinstance(child, ast.ClassDef) else f"{name}.<locals>.")
        else:
            yield from _definitions(child, prefix)


class _Cutter:
    """Cuts definitions out of a source, and the docstrings out of them.

    A class loses the docstrings of its methods too: their first sentences are queries, and
    the class is not what they ask for.

    Args:
        source: UTF-8, the encoding whose bytes the column offsets of `ast` count.
        nodes: All definitions of the source.
    """

    def __init__(self, source: bytes, nodes: list[_Definition]) -> None:
        self._source = source
        self._line_starts = [0, *(match.end() for match in re.finditer(b"\n", source))]
        self._docstrings = sorted(span for node in nodes if (span := self._docstring_span(node)))

    def text(self, node: _Definition) -> str:
        """Return the source of a definition without docstrings, indented as if it stood alone."""
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        position, end = self._line_starts[first - 1], self._offset(node.end_lineno, node.end_col_offset)
        kept = []
        for start, stop in self._docstrings:
            if position <= start and stop <= end:
                kept.append(self._source[position:start])
                position = stop
        kept.append(self._source[position:end])
        return textwrap.dedent(b"".join(kept).decode()).strip()

    def _offset(self, line: int | None, column: int | None) -> int:
        return self._line_starts[(line or 1) - 1] + (column or 0)

    def _docstring_span(self, node: _Definition) -> tuple[int, int] | None:
        if ast.get_docstring(node, clean=False) is None:
            return None
        string = node.body[0]
        start = self._offset(string.lineno, string.col_offset)
        stop = self._offset(string.end_lineno, string.end_col_offset)
        return self._whole_lines(start, stop)

    def _whole_lines(self, start: int, stop: int) -> tuple[int, int]:
        """Widen a span to its whole lines where nothing else stands on them."""
        before = self._source.rfind(b"\n", 0, start) + 1
        after = self._source.find(b"\n", stop) + 1 or len(self._source)
        if self._source[before:start].strip() or self._source[stop:after].strip():
            return start, stop
        return before, after


def _judge(entries: list[_Entry], keys: list[int]) -> dict[str, Qrels]:
    """Judge every entry, and the copies of its document, relevant to its query, in the split of its module."""
    copies: dict[int, list[str]] = defaultdict(list)
    for entry, key in zip(entries, keys, strict=True):
        copies[key].append(entry.doc_id)
    judged: dict[str, list[Judgment]] = {name: [] for name, _ in _SPLITS}
    for entry, key in zip(entries, keys, strict=True):
        rows = (Judgment(entry.query_id, doc_id, 1, "seed") for doc_id in copies[key])
        judged[_split_of(entry.module)].extend(rows)
    return {name: Qrels.from_rows(rows) for name, rows in judged.items()}


def _split_of(module: str) -> str:
    position = derive_seed(0, "stdlib-split", module) / 2**64
    return next(name for name, end in _SPLITS if position <= end)
