"""A second opinion on who is a negative: scores of pairs by an independent judge, whatever gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, ScoreKind, TrainingSet
from pyrite.data.codes import pair_keys, positions
from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, Similarities
from pyrite.recipes.score.sets import NamedSets

__all__ = ["JudgedPairs"]

_SAME = 1e-3
_BOUNDED = {ScoreKind.COSINE, ScoreKind.PROBABILITY, ScoreKind.LOGIT}


def _one_each(sets: NamedSets, keys: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the score of each of the sets' keys, all of which are there, some more than once."""
    places = np.searchsorted(sets.keys, keys)
    lowest, highest = np.full(len(sets.keys), np.inf), np.full(len(sets.keys), -np.inf)
    np.minimum.at(lowest, places, scores)
    np.maximum.at(highest, places, scores)
    # The same pair, scored in two batches of another padding, differs in the last digits.
    differ = highest - lowest > _SAME * np.maximum(1, np.abs(highest))
    if differ.any():
        raise DataError(
            f"judge: the sets carry two different teacher scores for {int(differ.sum())} pairs; have all of them "
            "scored by one teacher"
        )
    return highest


@dataclass(frozen=True)
class JudgedPairs:
    """Scores of all pairs of sets by one judge.

    Attributes:
        name: The judge.
        kind: What its scores mean.
        sets: Whose pairs.
        scores: One for each of the sets' `keys`: float64.
    """

    name: str
    kind: ScoreKind
    sets: NamedSets
    scores: np.ndarray

    @classmethod
    def stored(cls, sets: NamedSets, candidates: Candidates, scorer: str) -> JudgedPairs:
        """Take the scores that candidates hold.

        Args:
            sets: The sets.
            candidates: The candidates, positives among them.
            scorer: Whose scores.

        Raises:
            DataError: The scorer is unknown, or has not scored all pairs of the sets.
        """
        kinds = candidates.metadata["scorers"]
        if scorer not in kinds:
            raise DataError(f"judge: no scores by {scorer!r} among the candidates; there are: {', '.join(kinds)}")
        queries, documents = sets.pairs()
        wanted = pa.table({"query_id": sets.query_ids.take(queries), "doc_id": sets.doc_ids.take(documents)})
        table = candidates.arrow
        table = table.filter(pc.and_(pc.equal(table.column("scorer"), scorer), table.column("score").is_valid()))
        rows = positions(pair_keys(wanted), pair_keys(table))
        if (rows < 0).any():
            first = wanted.slice(int((rows < 0).argmax()), 1).to_pylist()[0]
            raise DataError(
                f"judge: {scorer!r} has no score for {int((rows < 0).sum())} of {len(rows)} pairs of the sets, such as "
                f"the query {first['query_id']!r} and the document {first['doc_id']!r}; rescore the candidates with "
                "it, or give the model itself as the judge"
            )
        return cls(scorer, ScoreKind(kinds[scorer]), sets, table.column("score").to_numpy()[rows])

    @classmethod
    def taught(cls, name: str, sets: NamedSets, given: Mapping[str, TrainingSet]) -> JudgedPairs:
        """Take the teacher scores that training sets carry.

        Args:
            name: What to call the teacher.
            sets: The sets.
            given: The training sets that they were made of.

        Raises:
            DataError: A pair has no score, or two sets have different ones: they had different teachers.
        """
        keys, scores = [], []
        for set_name, one in given.items():
            groups = sets.groups[set_name]
            flat = pc.list_flatten(one.column("teacher_scores"))
            wanted = len(groups.positives) + len(groups.negatives)
            if len(flat) != wanted or flat.null_count:
                raise DataError(
                    f"judge: the set {set_name!r} carries teacher scores for {len(flat) - flat.null_count} of {wanted} "
                    "documents; score it whole with `teacher-scores`, or give a judge"
                )
            # Each group's positives stand before its negatives.
            before = groups.negative_starts[groups.query_of_positives()]
            after = groups.positive_starts[groups.query_of_negatives() + 1]
            values = flat.to_numpy()
            for own, places in zip(sets.keys_of(groups), (before, after), strict=True):
                keys.append(own)
                scores.append(values[np.arange(len(own)) + places])
        kinds = {str(one.metadata.get("score_kind", ScoreKind.UNKNOWN)) for one in given.values()}
        kind = ScoreKind(kinds.pop()) if len(kinds) == 1 else ScoreKind.UNKNOWN
        return cls(name, kind, sets, _one_each(sets, np.concatenate(keys), np.concatenate(scores)))

    @classmethod
    def of_cosines(cls, name: str, sets: NamedSets, scores: np.ndarray) -> JudgedPairs:
        """Take the cosines of another encoder, one for each of the sets' `keys`."""
        return cls(name, ScoreKind.COSINE, sets, scores)

    @property
    def bounded(self) -> bool:
        """Whether the scores can be brought on a scale of at most 1, on which gaps mean something."""
        return self.kind in _BOUNDED

    def similarities(self, groups: Groups) -> Similarities:
        """Return the scores of groups, logits as probabilities; BM25 and inner products as they are."""
        scores = self.scores
        if self.kind is ScoreKind.LOGIT:
            scores = 0.5 + 0.5 * np.tanh(0.5 * scores)  # the logistic function, without overflow
        return Similarities(*(scores[np.searchsorted(self.sets.keys, keys)] for keys in self.sets.keys_of(groups)))
