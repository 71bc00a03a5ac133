"""Text analysis for lexical search: the same tokens for every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Literal

from pydantic import Field

from pyrite.errors import SettingsError
from pyrite.settings import Settings

__all__ = ["Analysis", "LUCENE_STOPWORDS"]

LUCENE_STOPWORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it"),
        *("no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these"),
        *("they", "this", "to", "was", "will", "with"),
    }
)
"""The English stop set of Lucene's EnglishAnalyzer."""

_LETTERS = re.compile(r"\w+(?:['\u2019]\w+)*")
_UNSPACED = re.compile(r"\S+")
_POSSESSIVE = re.compile(r"['\u2019]s$")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Han, kana, bopomofo and Hangul: scripts that are written without spaces, or are searched as if they were.
_CJK = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u312f\u3131-\u318e\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
_CJK += "\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
_RUNS = re.compile(f"[{_CJK}]+|[^{_CJK}]+")
_CJK_RUN = re.compile(f"[{_CJK}]")

Language = Literal[
    "chinese", "danish", "dutch", "english", "french", "german", "italian", "korean", "norwegian", "portuguese",
    "russian", "spanish", "swedish", "turkish",
]  # fmt: skip


class Analysis(Settings):
    """How a text becomes tokens: words, lower case, stop words out, stems.

    With the defaults it follows Lucene's EnglishAnalyzer (words, possessive 's, lower case, stop
    set), with Snowball's newer English stemmer in place of Porter's first.

    Example:
        >>> Analysis().tokens("The miner's veins of getItem")
        ['miner', 'vein', 'getitem']
        >>> Analysis(split_identifiers=True).tokens("getItem of HTTPServer2")
        ['getitem', 'get', 'item', 'httpserver2', 'http', 'server', '2']
        >>> Analysis(stemmer="german", stopwords="german").tokens("die Häuser der Stadt")
        ['haus', 'stadt']
        >>> Analysis(cjk_bigrams=True).tokens("黄鉄鉱 FeS2")
        ['黄鉄', '鉄鉱', 'fes2']
    """

    words: Literal["letters", "whitespace"] = "letters"
    """`letters`: a word is letters, digits and underscores, with single apostrophes inside;
    `whitespace`: whatever stands between white space, for texts that were cut before."""
    stemmer: str | None = "english"
    """A Snowball stemmer by its language (`english`, `german`, `porter`, ...), or empty for none."""
    stopwords: Literal["lucene", "none"] | Language | tuple[str, ...] = "lucene"
    """`lucene`: Lucene's 33 English stop words; a language: the list that bm25s has for it; `none`;
    or words of your own, in lower case."""
    split_identifiers: bool = False
    """Whether `getItem` and `get_item` also give their parts, as searching code wants."""
    cjk_bigrams: bool = False
    """Whether Chinese, Japanese and Korean words give each pair of neighbouring characters instead."""
    min_length: int = Field(default=1, ge=1)
    """Shorter tokens are left out."""

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of one text, in order, repeats kept.

        Raises:
            SettingsError: There is no such stemmer.
        """
        cut = _LETTERS if self.words == "letters" else _UNSPACED
        return [token for tokens in self.of_words(cut.findall(text)) for token in tokens]

    def of_words(self, words: Sequence[str]) -> list[list[str]]:
        """Return the tokens that each word gives: none for a stop word, several for a word taken apart.

        Raises:
            SettingsError: There is no such stemmer.
        """
        stop = _stop_words(self.stopwords)
        kept = [[token for token in self._expand(word) if self._keeps(token, stop)] for word in words]
        if self.stemmer is None:
            return kept
        stems = iter(_stemmer(self.stemmer)([token for tokens in kept for token in tokens]))
        return [[next(stems) for _ in tokens] for tokens in kept]

    def _keeps(self, token: str, stop: frozenset[str]) -> bool:
        return token not in stop and len(token) >= self.min_length

    def _expand(self, word: str) -> Iterable[str]:
        whole = _POSSESSIVE.sub("", word.lower())
        if self.cjk_bigrams and _CJK_RUN.search(whole):
            return [piece for run in _RUNS.findall(whole) for piece in _pairs(run)]
        if not self.split_identifiers:
            return [whole]
        parts = [part.lower() for piece in word.split("_") for part in _PARTS.findall(piece)]
        return [whole] if len(parts) < 2 else [whole, *parts]


def _pairs(run: str) -> list[str]:
    """Return each pair of neighbours of a run of CJK characters; a single one, and any other run, as it is."""
    if len(run) == 1 or not _CJK_RUN.match(run):
        return [run]
    return [run[place : place + 2] for place in range(len(run) - 1)]


@cache
def _stop_words(named: str | tuple[str, ...]) -> frozenset[str]:
    if named == "lucene":
        return LUCENE_STOPWORDS
    if named == "none":
        return frozenset()
    if isinstance(named, tuple):
        return frozenset(named)
    from bm25s import stopwords

    words: tuple[str, ...] = getattr(stopwords, f"STOPWORDS_{'EN' if named == 'english' else named.upper()}")
    return frozenset(words)


# Beside the settings and not in them, where it would stand in the way of pickling and copying them.
@cache
def _stemmer(language: str) -> Callable[[list[str]], list[str]]:
    import Stemmer

    known = Stemmer.algorithms()
    if language not in known:
        raise SettingsError(f"stemmer: no Snowball stemmer {language!r}; allowed: {', '.join(known)}")
    stem: Callable[[list[str]], list[str]] = Stemmer.Stemmer(language).stemWords
    return stem
