"""Stand-in for `sentence_transformers.util.mine_hard_negatives`, version 6.2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

from pyrite.compat.arguments import Arguments, check_window, columns_of, resolve, with_depth
from pyrite.compat.cache import mining_cache
from pyrite.compat.identity import model_key_meanwhile
from pyrite.compat.pairs import Pairs, read_pairs
from pyrite.compat.selection import choose
from pyrite.compat.shapes import to_dataset
from pyrite.compat.statistics import lines
from pyrite.errors import ArgumentError

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import CrossEncoder, SentenceTransformer

__all__ = ["mine_hard_negatives"]


# The signature is another library's, argument by argument.
def mine_hard_negatives(  # noqa: PLR0913, PLR0917
    dataset: Dataset,
    model: SentenceTransformer,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    corpus: list[str] | None = None,
    cross_encoder: CrossEncoder | None = None,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    num_negatives: int = 3,
    sampling_strategy: Literal["random", "top"] = "top",
    query_prompt_name: str | None = None,
    query_prompt: str | None = None,
    corpus_prompt_name: str | None = None,
    corpus_prompt: str | None = None,
    include_positives: bool = False,
    output_format: Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"] = "triplet",
    output_scores: bool = False,
    batch_size: int = 32,
    faiss_batch_size: int = 16384,
    use_faiss: bool = False,
    use_multi_process: list[str] | bool = False,
    verbose: bool = True,
    cache_folder: str | None = None,
    as_triplets: bool | None = None,
    margin: float | None = None,
    *,
    seed: int = 0,
    mask_duplicates: bool = False,
) -> Dataset:
    """Mine hard negatives for pairs of anchor and positive, as sentence-transformers 6.2 does.

    Arguments, defaults, columns and rows are those of the function of the same name there. What differs:

    - Memory: vectors and candidates lie on disk, and one block of them is in memory at a time.
    - Search is exact, in float64 where that decides, with and without `use_faiss`. Documents with equal scores keep
      the order of the corpus; there, the order of equal scores is left open.
    - `sampling_strategy="random"` draws from `seed` and the anchor's text, so that a second call gives the same rows,
      whatever else is in the data set.
    - `cache_folder` goes by content: weights, tokenizer and configuration of the model, prompts, texts. A model that
      was trained further meets no stale vectors. Candidates and a cross-encoder's scores are kept as well, so that a
      call with another margin neither encodes nor searches nor rescores.
    - A cross-encoder's batches go across anchors.
    - The data set is typed also when no row is left.

    Texts are identities. Several positives of one anchor share its negatives, and margins count from the lowest
    scored of them. Candidates are filtered first and ranked then: `range_min` skips the best of those that are left.

    Args:
        dataset: Pairs of anchor and positive; further columns are not read.
        model: Encodes anchors and documents.
        anchor_column_name: The column of the anchors; the first where None or unknown.
        positive_column_name: The column of the positives; the second where None or unknown.
        corpus: More documents to draw negatives from, beside the positives.
        cross_encoder: Rescores candidates and positives where a margin, `max_score` or `min_score` is given; not used
            otherwise. A `PairScorer` will do as well.
        range_min: How many of the best candidates that are left are skipped, from 0.
        range_max: The last rank that may be drawn. By default it follows from `num_negatives`, the filters and the
            number of positives.
        max_score: Candidates with a higher score are dropped.
        min_score: Candidates with a lower score are dropped.
        absolute_margin: Candidates must score this much below the positive, in units of the score.
        relative_margin: Candidates must score this share of the positive's absolute score below it.
        num_negatives: Negatives for each anchor, from 1.
        sampling_strategy: `top` for the best of those left, `random` for any of them.
        query_prompt_name: Which of the model's prompts stands in front of anchors; its own choice where None.
        query_prompt: The prompt itself, before any name.
        corpus_prompt_name: Likewise for documents.
        corpus_prompt: Likewise for documents.
        include_positives: Whether positives stay among the candidates, as an evaluation set for rerankers wants it;
            writes n-tuples.
        output_format: `triplet` gives a row for each negative; `n-tuple` a row for each pair with all its negatives in
            columns, pairs with fewer left out; `labeled-pair` a row for each document with its label; `labeled-list` a
            row for each pair, with lists of documents and labels.
        output_scores: Whether a column `scores` is added, or takes the place of labels.
        batch_size: Texts, or pairs, that a model takes at once.
        faiss_batch_size: Has no effect: queries are searched in blocks of a fixed size.
        use_faiss: Ranks by inner product whatever the model's own similarity is, and caps an automatic `range_max` at
            2048 where FAISS sees a GPU. FAISS itself is not needed.
        use_multi_process: Devices on which models encode and score, or True for their own choice.
        verbose: Whether progress and statistics are shown.
        cache_folder: Where vectors, candidates and scores are kept for further calls.
        as_triplets: Outdated: `output_format`.
        margin: Outdated: `absolute_margin`.
        seed: Decides what is drawn at random.
        mask_duplicates: Whether documents that equal a positive or the anchor but for case, white space and Unicode
            forms are dropped, and all but the best ranked of equal candidates.

    Returns:
        The data set, with the columns' names as given and `negative`, `negative_1` and so on, `label`, `labels`,
        `score` or `scores`.

    Raises:
        ArgumentError: An argument is none of those allowed (also a ValueError).
        SearchError: The model gave something else than finite vectors, or a file cannot be written.

    Example:
        ```python
        from pyrite.compat import mine_hard_negatives

        mined = mine_hard_negatives(pairs, model, relative_margin=0.05, num_negatives=4, output_format="n-tuple")
        ```
    """
    arguments = resolve(locals())
    return _mine(dataset, model, corpus, cross_encoder, arguments)


def _mine(
    dataset: Dataset, model: Any, corpus: Iterable[str] | None, cross_encoder: Any, arguments: Arguments
) -> Dataset:
    _check_dataset(dataset)
    if len(dataset) == 0:
        raise ArgumentError("the dataset is empty; give at least one pair of anchor and positive")
    tell = _tell if arguments.verbose else _keep_quiet
    columns = columns_of(dataset.column_names, arguments)
    with nullcontext(str) if arguments.cache_folder is None else model_key_meanwhile(model) as weights:
        pairs = read_pairs(dataset, columns, corpus)
    arguments, told, note = with_depth(arguments, pairs.most, cross_encoder is not None)
    tell(told)
    check_window(arguments, note)
    tell(_described(pairs))
    with mining_cache(arguments.cache_folder, _bars if arguments.verbose else _no_bars) as place:
        scored = place.score(pairs, model, cross_encoder, arguments, weights)
        chosen = choose(pairs, scored.found, scored.rescored, scored.positive_scores, arguments)
    mined = to_dataset(pairs, chosen, columns, arguments)
    if arguments.verbose:
        tell(lines(pairs, chosen, arguments, len(mined)))
    return mined


def _check_dataset(dataset: Any) -> None:
    from datasets import Dataset

    if not isinstance(dataset, Dataset):
        raise ArgumentError(
            f"dataset: wants a datasets.Dataset, not a {type(dataset).__name__}; of a DatasetDict give one split, "
            "dataset['train'], and make one of rows with Dataset.from_list(rows)"
        )


def _described(pairs: Pairs) -> Sequence[str]:
    told = []
    if len(pairs.queries) != pairs.rows:
        told.append(f"{len(pairs.queries)} of {pairs.rows} queries are different.")
    if pairs.most > 1:
        told.append(f"A query has {pairs.rows / len(pairs.queries):.3f} positives on average.")
    return told


def _tell(messages: Iterable[str]) -> None:
    """Write to the standard output, which is where users of the function look for its statistics."""
    for message in messages:
        sys.stdout.write(message + "\n")


def _keep_quiet(messages: Iterable[str]) -> None:
    pass


def _bars(what: str, total: int) -> Callable[[int], None]:
    """Show a bar for one part of the work; none where there is nothing to do."""
    from tqdm.auto import tqdm

    bar = tqdm(total=total, desc=what, disable=total == 0)

    def advance(done: int) -> None:
        bar.update(done)
        if bar.n >= total:
            bar.close()

    return advance


def _no_bars(what: str, total: int) -> Callable[[int], None]:
    return lambda _: None
