"""Text analysis for lexical search: the same tokens for every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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

_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*")
_POSSESSIVE = re.compile(r"['\u2019]s$")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Analysis(Settings):
    """How a text becomes tokens: words, lower case, stop words out, stems.

    With the defaults it follows Lucene's EnglishAnalyzer (words, possessive 's, lower case, stop
    set), with Snowball's newer English stemmer in place of Porter's first.

    Example:
        >>> Analysis().tokens("The miner's veins of getItem")
        ['miner', 'vein', 'getitem']
        >>> Analysis(split_identifiers=True).tokens("getItem of HTTPServer2")
        ['getitem', 'get', 'item', 'httpserver2', 'http', 'server', '2']
    """

    stemmer: str | None = "english"
    """A Snowball stemmer by its language (`english`, `german`, `porter`, ...), or empty for none."""
    stopwords: Literal["lucene", "none"] = "lucene"
    """`lucene`: Lucene's 33 English stop words; `none` for other languages."""
    split_identifiers: bool = False
    """Whether `getItem` and `get_item` also give their parts, as searching code wants."""
    min_length: int = Field(default=1, ge=1)
    """Shorter tokens are left out."""

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of one text, in order, repeats kept."""
        words = [word for match in _TOKEN.findall(text) for word in self._expand(match)]
        stop = LUCENE_STOPWORDS if self.stopwords == "lucene" else frozenset()
        kept = [word for word in words if word not in stop and len(word) >= self.min_length]
        return self._stem(kept)

    def analyse(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the tokens of many texts."""
        return [self.tokens(text) for text in texts]

    def _expand(self, word: str) -> list[str]:
        if not self.split_identifiers:
            return [_POSSESSIVE.sub("", word.lower())]
        parts = [part.lower() for piece in word.split("_") for part in _PARTS.findall(piece)]
        whole = _POSSESSIVE.sub("", word.lower())
        return [whole] if len(parts) < 2 else [whole, *parts]

    def _stem(self, words: list[str]) -> list[str]:
        return words if self.stemmer is None else _stemmer(self.stemmer)(words)


# Beside the settings and not in them, where it would stand in the way of pickling and copying them.
@cache
def _stemmer(language: str) -> Callable[[list[str]], list[str]]:
    import Stemmer

    known = Stemmer.algorithms()
    if language not in known:
        raise SettingsError(f"stemmer: no Snowball stemmer {language!r}; allowed: {', '.join(known)}")
    stem: Callable[[list[str]], list[str]] = Stemmer.Stemmer(language).stemWords
    return stem
