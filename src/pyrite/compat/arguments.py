"""The arguments of the stand-in for sentence-transformers' miner: checked, and what follows from them."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Literal, get_args

from pyrite.errors import ArgumentError

__all__ = ["Arguments", "Columns", "Shape", "check_window", "columns_of", "resolve", "with_depth"]

_LOG = logging.getLogger(__name__)

Shape = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
"""The shapes of the output."""

# What FAISS can return for a query on a GPU. The search here has no such limit; the cap is part of the contract.
_FAISS_GPU_DEPTH = 2048
_ALWAYS = ("num_negatives", "range_min", "batch_size", "faiss_batch_size")
_COUNTS = (*_ALWAYS, "range_max")
_SCORES = ("max_score", "min_score", "absolute_margin", "relative_margin", "margin")
_MAY_DISCARD = (
    "range_min", "range_max", "max_score", "min_score", "absolute_margin", "relative_margin", "margin",
    "sampling_strategy",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Every argument that says what to mine and how; the data set, the corpus and the models stand apart.

    The meaning of each is in the docstring of `mine_hard_negatives`.
    """

    anchor_column_name: str | None = None
    positive_column_name: str | None = None
    range_min: int = 0
    range_max: int | None = None
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    num_negatives: int = 3
    sampling_strategy: str = "top"
    query_prompt_name: str | None = None
    query_prompt: str | None = None
    corpus_prompt_name: str | None = None
    corpus_prompt: str | None = None
    include_positives: bool = False
    output_format: str = "triplet"
    output_scores: bool = False
    batch_size: int = 32
    faiss_batch_size: int = 16384
    use_faiss: bool = False
    use_multi_process: list[str] | bool = False
    verbose: bool = True
    cache_folder: str | None = None
    as_triplets: bool | None = None
    margin: float | None = None
    seed: int = 0
    mask_duplicates: bool = False

    @property
    def has_margin(self) -> bool:
        """Whether candidates are compared with the positive's score."""
        return self.absolute_margin is not None or self.relative_margin is not None

    @property
    def filters_by_score(self) -> bool:
        """Whether any score decides: only then does a cross-encoder have work to do."""
        return self.has_margin or self.max_score is not None or self.min_score is not None


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the two columns that are read, and written again."""

    anchor: str
    positive: str


def resolve(given: dict[str, Any]) -> Arguments:
    """Return the arguments with the outdated ones translated, and log what that changes.

    Args:
        given: Arguments by name; those that `Arguments` does not have are passed over.

    Raises:
        ArgumentError: A value is none of those allowed.
    """
    names = {field.name for field in fields(Arguments)}
    arguments = Arguments(**{name: value for name, value in given.items() if name in names})
    arguments = _with_shape(_with_numbers(arguments))
    if arguments.output_format not in get_args(Shape):
        raise ArgumentError(f"output_format is one of {_listed(get_args(Shape))}, not {arguments.output_format!r}")
    if arguments.sampling_strategy not in {"top", "random"}:
        raise ArgumentError(f"sampling_strategy is 'top' or 'random', not {arguments.sampling_strategy!r}")
    if arguments.margin is not None:
        _LOG.warning("margin is outdated: it is taken for absolute_margin=%s; give that instead", arguments.margin)
        arguments = replace(arguments, absolute_margin=arguments.margin)
    if arguments.num_negatives < 1:
        raise ArgumentError(f"num_negatives must be at least 1, got num_negatives={arguments.num_negatives}")
    return arguments


def _with_numbers(arguments: Arguments) -> Arguments:
    """Return the arguments with Python's own numbers in them: a file's header, for one, holds no others."""
    numbers: dict[str, Any] = {}
    for name in (*_COUNTS, *_SCORES):
        value = getattr(arguments, name)
        if value is None and name not in _ALWAYS:
            continue
        if name in _SCORES and (not isinstance(value, Real) or math.isnan(value)):
            raise ArgumentError(f"{name} wants a number, got {value!r}")
        if name in _COUNTS and not isinstance(value, Integral):
            raise ArgumentError(f"{name} wants a whole number, got {value!r}")
        numbers[name] = float(value) if name in _SCORES else int(value)
    for name in ("batch_size", "faiss_batch_size"):
        if numbers[name] <= 0:
            raise ArgumentError(f"{name} wants a number from 1 up, got {numbers[name]}")
    return replace(arguments, **numbers)


def _with_shape(arguments: Arguments) -> Arguments:
    if arguments.as_triplets is not None:
        shape = "triplet" if arguments.as_triplets else "n-tuple"
        _LOG.warning("as_triplets is outdated: it is taken for output_format=%r; give that instead", shape)
        arguments = replace(arguments, output_format=shape)
    if arguments.include_positives:
        defaults = {field.name: field.default for field in fields(Arguments)}
        if any(getattr(arguments, name) != defaults[name] for name in _MAY_DISCARD):
            _LOG.warning(
                "include_positives=True: %s other than by default may still discard the positive values",
                ", ".join(_MAY_DISCARD),
            )
        if arguments.output_format != "n-tuple":
            _LOG.warning("include_positives=True writes n-tuples, which keep the order of the ranking")
            arguments = replace(arguments, output_format="n-tuple")
    if arguments.output_format == "n-tuple-scores":
        _LOG.warning("output_format='n-tuple-scores' is outdated: give 'n-tuple' with output_scores=True")
        arguments = replace(arguments, output_format="n-tuple", output_scores=True)
    return arguments


def columns_of(names: Sequence[str], arguments: Arguments) -> Columns:
    """Return the columns to read: those named, else the first and the second.

    Raises:
        ArgumentError: There is no second column, and none is named.
    """
    anchor, positive = arguments.anchor_column_name, arguments.positive_column_name
    if not positive or positive not in names:
        if len(names) < 2:
            raise ArgumentError(
                f"the data set has the columns {list(names)}: name the one with the positives, or give two columns"
            )
        positive = names[1]
    return Columns(anchor if anchor and anchor in names else names[0], positive)


def with_depth(arguments: Arguments, most_positives: int, rescored: bool) -> tuple[Arguments, list[str], str]:
    """Return the arguments with `range_max` filled in, what to tell the user of it, and a note for errors.

    Args:
        arguments: As given.
        most_positives: Rows of the anchor that has most.
        rescored: Whether a cross-encoder is there.
    """
    if arguments.range_max is not None:
        return arguments, [], ""
    many = arguments.has_margin or arguments.max_score is not None or (rescored and arguments.min_score is not None)
    range_max = arguments.range_min + arguments.num_negatives * (10 if many else 1) + most_positives
    told, note = [], ""
    if arguments.use_faiss and range_max + most_positives > _FAISS_GPU_DEPTH and _faiss_sees_gpus():
        range_max = _FAISS_GPU_DEPTH - most_positives
        note = (
            f". range_max was capped to {range_max} because FAISS on GPU gives at most {_FAISS_GPU_DEPTH} documents "
            "a query, positives among them; use_faiss=False has no cap"
        )
        told.append(f"FAISS on a GPU gives at most {_FAISS_GPU_DEPTH} documents a query, positives among them.")
    told.append(f"range_max is {range_max}, which follows from the other arguments.")
    return replace(arguments, range_max=range_max), told, note


def check_window(arguments: Arguments, note: str) -> None:
    """Check that the ranks that may be drawn from hold as many as are wanted.

    Raises:
        ArgumentError: They do not.
    """
    first, last, wanted = arguments.range_min, arguments.range_max or 0, arguments.num_negatives
    if first < 0:
        raise ArgumentError(f"range_min must be non-negative, got range_min={first}")
    if first >= last:
        raise ArgumentError(
            f"range_min must be smaller than range_max, got range_min={first} and range_max={last}{note}"
        )
    if wanted > last - first:
        raise ArgumentError(
            f"Cannot mine {wanted} negatives per query: only {last - first} candidates remain between "
            f"range_min={first} and range_max={last}; ask for fewer negatives or give a wider range{note}"
        )


def _faiss_sees_gpus() -> bool:
    if importlib.util.find_spec("faiss") is None:
        return False
    import faiss

    return bool(getattr(faiss, "get_num_gpus", lambda: 0)() > 0)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(repr(value) for value in values)
