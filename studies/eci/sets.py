"""The sets of negatives that are compared: all drawn from one candidate store by selection settings.

A set's name says source, draw and number: `dense-u30-4` are 4 drawn from the first 30 of the static encoder's ranking.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pyrite.data import Candidates, Corpus, TrainingGroup, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.data.records import Document
from pyrite.data.text import text_key
from pyrite.mining import (
    CeilingFilter,
    MarginFilter,
    RankWindow,
    Selection,
    ShareFilter,
    SimansSampler,
    StratifiedSampler,
    TopSampler,
    UniformSampler,
    select_negatives,
)
from pyrite.settings import canonical_hash
from studies.eci.planted import Writing, dropped_labels, planted
from studies.eci.store import CROSS, SOURCES, Store
from studies.eci.tasks import Task

__all__ = ["SMALL", "MadeSet", "NegativeSet", "catalogue", "make_sets"]

SMALL = (
    *("random-4", "bm25-top-4", "bm25-u100-4", "dense-top-1", "dense-top-4", "dense-u100-4", "dense-share95-4"),
    *("dense-top-15", "minilm-top-4", "bm25+dense-4", "excerpt-25", "excerpt-50"),
)
"""The sets of the pilot."""
LABELS = "labels"
_LOG = logging.getLogger("eci")
_COUNTS = (1, 4, 7, 15)
_PLANTED = (10, 25, 50)


@dataclass(frozen=True)
class NegativeSet:
    """How a set is made.

    Attributes:
        name: Unique.
        family: What a bootstrap draws together, and what is left out at a time.
        selection: What is chosen from the store; None for a set that was written.
        plant: What becomes of places of the chosen negatives: nothing, documents made of positives, or positives.
        share: Of the places, or for labels of the queries with several positives.
    """

    name: str
    family: str
    selection: Selection | None
    plant: Writing | str | None = None
    share: float = 0.0

    def key(self, cross: str) -> str:
        """Return the name with a hash of all that decides the set, the task apart: what its folder is called.

        Args:
            cross: The identity of the cross-encoder.
        """
        identity = [self.selection, self.plant, self.share, cross if self.family == CROSS else None]
        return f"{self.name}-{canonical_hash(identity)[:8]}"

    @property
    def count(self) -> int:
        """The most negatives that a query has."""
        return self.selection.sampler.count if self.selection is not None else max(_COUNTS)


@dataclass(frozen=True)
class MadeSet:
    """A set of a task.

    Attributes:
        settings: How it was made.
        training_set: A group for each training query, some perhaps without negatives.
        documents: The documents that were made for it.
        facts: Numbers to show beside it.
    """

    settings: NegativeSet
    training_set: TrainingSet
    documents: Corpus
    facts: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The name, and a hash of what the groups and made documents hold: what folders of trainings are called.

        A training stays good when settings get new fields, as long as they make the same set.
        """
        content = [self.training_set.fingerprint(), self.documents.fingerprint()]
        return f"{self.settings.name}-{canonical_hash(content)[:8]}"

    def corpus(self, task: Task) -> Corpus:
        """Return the documents that the groups name: the task's, and the made ones."""
        if len(self.documents) == 0:
            return task.corpus
        return Corpus.from_rows([*task.corpus.rows(), *self.documents.rows()])


def catalogue(sources: Sequence[str] = SOURCES) -> list[NegativeSet]:
    """Return the sets that can be made of some sources, those apart that a model wrote.

    Args:
        sources: What there is; "cross" among them for the sets of a cross-encoder.
    """
    found = [*_ranked("random", ()), *_ranked("bm25", (30, 100)), *_ranked("dense", (30, 100))]
    found += [*_ranked("minilm", (30, 100)), *_filtered(), *_hybrids(), *_with_false_negatives()]
    return [*found, *_by_cross()] if CROSS in sources else found


def _ranked(source: str, depths: Sequence[int]) -> Iterator[NegativeSet]:
    """Yield the first of a source's ranking, and draws from its beginning."""
    draw = "" if source == "random" else "-top"
    for count in _COUNTS:
        yield NegativeSet(f"{source}{draw}-{count}", source, _of(source, TopSampler(count=count)))
    for depth in depths:
        window = () if depth == 100 else (RankWindow(last=depth),)
        yield NegativeSet(f"{source}-u{depth}-4", source, _of(source, UniformSampler(count=4), *window))
    if depths:
        yield NegativeSet(f"{source}-u100-15", source, _of(source, UniformSampler(count=15)))


def _filtered() -> Iterator[NegativeSet]:
    """Yield sets without what a scorer guesses to be positives, by the source itself or by MiniLM."""
    for source, count, kind, chosen in (
        ("dense", 4, "share95", ShareFilter(share=0.95)),
        ("dense", 4, "share90", ShareFilter(share=0.9)),
        ("dense", 15, "share95", ShareFilter(share=0.95)),
        ("dense", 4, "margin05", MarginFilter(margin=0.05)),
        ("dense", 4, "margin20", MarginFilter(margin=0.2)),
        ("minilm", 4, "share95", ShareFilter(share=0.95)),
        ("minilm", 4, "share90", ShareFilter(share=0.9)),
        ("minilm", 15, "share95", ShareFilter(share=0.95)),
        ("minilm", 4, "margin05", MarginFilter(margin=0.05)),
        ("minilm", 4, "margin20", MarginFilter(margin=0.2)),
    ):
        yield NegativeSet(f"{source}-{kind}-{count}", source, _of(source, TopSampler(count=count), chosen))
    judged = ShareFilter(share=0.95)
    for source in ("bm25", "dense"):
        for count in (4, 15):
            selection = _of(source, TopSampler(count=count), judged, scorer="minilm")
            yield NegativeSet(f"{source}-judged-{count}", source, selection)
    yield NegativeSet("dense-simans-4", "dense", _of("dense", SimansSampler(count=4)))


def _hybrids() -> Iterator[NegativeSet]:
    """Yield mixtures in equal shares, the first of each ranking."""
    for sources, count in (
        (("bm25", "dense"), 4),
        (("bm25", "minilm"), 4),
        (("dense", "minilm"), 4),
        (("bm25", "random"), 4),
        (("dense", "random"), 4),
        (("minilm", "random"), 4),
        (("bm25", "dense", "minilm"), 7),
        (("bm25", "dense", "random"), 7),
        (("bm25", "dense", "minilm"), 15),
    ):
        selection = Selection(sources=sources, sampler=StratifiedSampler(count=count))
        yield NegativeSet(f"{'+'.join(sources)}-{count}", "hybrid", selection)


def _with_false_negatives() -> Iterator[NegativeSet]:
    """Yield sets with planted false negatives among the first of the dense ranking."""
    top = _of("dense", TopSampler(count=4))
    writings: tuple[Writing, ...] = ("excerpt", "paraphrase")
    for writing in writings:
        for share in _PLANTED:
            yield NegativeSet(f"{writing}-{share}", "planted", top, writing, share / 100)
    random = _of("random", TopSampler(count=4))
    yield NegativeSet("random-excerpt-25", "planted", random, "excerpt", 0.25)
    for share in (50, 100):
        yield NegativeSet(f"{LABELS}-{share}", "planted", top, LABELS, share / 100)


def _by_cross() -> Iterator[NegativeSet]:
    """Yield sets that a cross-encoder orders, or denoises as RocketQA does: a probability below .1 is a negative."""
    below = CeilingFilter(ceiling=0.1)
    for name, sampler, filters in (
        ("cross-top-4", TopSampler(count=4), ()),
        ("cross-top-15", TopSampler(count=15), ()),
        ("cross-u-4", UniformSampler(count=4), ()),
        ("cross-denoised-4", UniformSampler(count=4), (below,)),
        ("cross-denoised-top-4", TopSampler(count=4), (below,)),
        ("cross-share90-4", TopSampler(count=4), (ShareFilter(share=0.9),)),
    ):
        yield NegativeSet(name, CROSS, _of(CROSS, sampler, *filters))


def _of(source: str, sampler: Any, *filters: Any, scorer: str | None = None) -> Selection:
    return Selection(sources=(source,), sampler=sampler, filters=filters, scorer=scorer)


def make_sets(store: Store, wanted: Sequence[NegativeSet], written: Path | None = None) -> list[MadeSet]:
    """Make sets, or read those that are kept.

    Args:
        store: The candidates.
        wanted: The sets.
        written: A file of lines {"query_id": ..., "text": ...}, negatives that a language model wrote, which make the
            set "llm"; skipped where it is None or not there.

    Returns:
        The sets in their order; one that cannot be made of this task, such as dropped labels where every query has one,
        is left out, and said in the log.
    """
    mined = cache(store.candidates)

    def kept(one: NegativeSet) -> MadeSet:
        key = one.key(store.cross_key)
        return _kept(store.folder / "sets" / key, one, lambda: _make(store.task, mined(), one))

    made = [kept(one) for one in wanted]
    if written is not None and written.is_file():
        made.append(_of_file(store.task, written))
    for one in (one for one in made if one.facts["planted"] == 0 and one.settings.plant is not None):
        _LOG.info("%s: no %s, since nothing can be planted", store.task.name, one.settings.name)
    return [one for one in made if one.settings.plant is None or one.facts["planted"] > 0]


def _make(task: Task, candidates: Candidates, settings: NegativeSet) -> MadeSet:
    assert settings.selection is not None
    chosen = select_negatives(candidates, task.corpus, task.queries, task.train, settings.selection)
    base, documents, dropped = training_groups(task.train, chosen.negatives), Corpus.empty(), 0
    if settings.plant == LABELS:
        base, dropped = dropped_labels(base, task.corpus, settings.share)
    elif settings.plant is not None:
        base, documents = planted(base, task.corpus, _writing(settings.plant), settings.share)
    return MadeSet(settings, base, documents, _facts(base, len(documents) + dropped))


def _writing(plant: str) -> Writing:
    return "excerpt" if plant == "excerpt" else "paraphrase"


def _facts(training_set: TrainingSet, false_ones: int) -> dict[str, Any]:
    sizes = [len(group.negative_ids) for group in training_set.rows()]
    return {
        "queries": len(sizes),
        "without_negatives": sizes.count(0),
        "negatives": sum(sizes),
        "planted": false_ones,
    }


def _of_file(task: Task, file: Path) -> MadeSet:
    """Make a set of written negatives; those of other queries, and copies of positives, are left out."""
    texts: dict[str, list[str]] = {query_id: [] for query_id in task.train_ids}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["query_id"] in texts:
            texts[row["query_id"]].append(row["text"])
    documents, groups, copies = list[Document](), list[TrainingGroup](), task.corpus.copy_keys()
    for query_id, positives in sorted(task.positives().items()):
        known = {int(copies[task.corpus.position(doc_id)]) for doc_id in positives}
        own = [text for text in texts[query_id] if text_key(text) not in known][: max(_COUNTS)]
        rows = [Document(f"llm:{query_id}:{place}", text) for place, text in enumerate(own)]
        documents += rows
        groups.append(TrainingGroup(query_id, positives, tuple(row.doc_id for row in rows)))
    training_set = TrainingSet.from_rows(groups)
    settings, facts = NegativeSet("llm", "llm", None), _facts(training_set, 0)
    return MadeSet(settings, training_set, Corpus.from_rows(documents), facts)


def _kept(folder: Path, settings: NegativeSet, compute: Callable[[], MadeSet]) -> MadeSet:
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        made = compute()
        made.training_set.save(partial)
        made.documents.save(partial)
        (partial / "facts.json").write_text(json.dumps(made.facts))
        partial.rename(folder)
    facts = json.loads((folder / "facts.json").read_text())
    return MadeSet(settings, TrainingSet.open(folder), Corpus.open(folder), facts)
