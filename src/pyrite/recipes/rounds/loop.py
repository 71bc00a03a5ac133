"""Mine, train, mine again with what was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pyrite.data import Candidates, Corpus, LogEntry, Negatives, Qrels, Queries, TrainingLog
from pyrite.data.groups import training_groups
from pyrite.errors import ModelError, SettingsError
from pyrite.mining import select_negatives
from pyrite.mining.candidates import CandidateCollection
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import Encoder, PairScorer
from pyrite.recipes.dev import DevQueries, EncoderLoader
from pyrite.recipes.rounds.drift import above_positive, drift, judged_false
from pyrite.recipes.rounds.settings import RoundsSettings
from pyrite.search.dense.index import DenseRetriever
from pyrite.search.rescoring import TextPairScorer
from pyrite.search.retriever import Index
from pyrite.seeds import derive_seed
from pyrite.settings import Json, canonical_hash
from pyrite.train import Dev, TrainingJob, TrainingTexts, train
from pyrite.train.card import CARD
from pyrite.train.trackers import check_trackers
from pyrite.train.wants import check_guide, check_model

__all__ = ["SOURCE", "Progress", "RoundsData", "RoundsResult", "silent", "train_in_rounds"]

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Shows how work goes on: given what is done, how much there is, and the unit, it yields what to call with how much was
done; `Context.progress` of a stage is one."""


@contextmanager
def silent(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show nothing; see `Progress`."""
    yield lambda _: None


SOURCE = "dense"
"""What the model in training is called as a source and as a scorer."""

_FACTS = "round.json"
_IDENTITY = "identity.json"


@dataclass(frozen=True, slots=True)
class RoundsData:
    """What is mined from and trained on.

    Attributes:
        corpus: The documents.
        queries: The training queries, and those of dev.
        qrels: The judgements of the training queries.
        dev: Dev judgements, or None.
        indices: Further sources by name, such as BM25; the same in every call with a working folder.
        judge: Estimates which negatives are false, or None; it never trains and never filters.
        guide: Says which documents are near a query, for the loss of type `guided`; the same in all rounds. Or None.
    """

    corpus: Corpus
    queries: Queries
    qrels: Qrels
    dev: Qrels | None = None
    indices: Mapping[str, Index] = field(default_factory=dict)
    judge: PairScorer | None = None
    guide: Encoder | None = None


@dataclass(frozen=True, slots=True)
class RoundsResult:
    """What came of all rounds.

    Attributes:
        folder: The model of the best round; inside the job's `workdir`.
        log: The log of each training, one after the other, and at each round's end "round-dev", "negatives",
            "negatives-above-positive", "negatives-judged-false" (with a judge), and from the second round on
            "negatives-overlap" and, where the round before had negatives, "rank-before" and "rank-after".
        negatives: Those that the best round trained with.
        best_round: From 1; 0 where no round was better on dev than the untrained model.
    """

    folder: Path
    log: TrainingLog
    negatives: Negatives
    best_round: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a finished round leaves in its folder, beside its model, candidates, negatives and log."""

    start: float | None
    dev: float | None
    numbers: dict[str, float]


def train_in_rounds(
    model: Path,
    data: RoundsData,
    settings: RoundsSettings,
    *,
    load: EncoderLoader,
    job: TrainingJob,
    progress: Progress = silent,
) -> RoundsResult:
    """Train an encoder in rounds, each on negatives mined with the encoder of the round before (ANCE).

    A call that was cut off goes on when it is made again with the same arguments: a finished round is not repeated,
    and the one in work goes on from its last checkpoint.

    Args:
        model: The folder of the untrained model; it is only read.
        data: The texts, judgements and further sources.
        settings: How often, how deep, and how to train.
        load: Loads a model folder as an encoder.
        job: The working folder, the device, and what to call on the way.
        progress: Shows how mining goes on.

    Returns:
        The model of the best round by dev, of the last one without dev.

    Raises:
        DataError: As in mining and training.
        SettingsError: A further source is called "dense", as the model in training is; there is patience within a round
            and no dev; the loss wants a teacher, which rounds have not; or as in training.
        ModelError: The working folder belongs to other rounds; the model is not of the trainer's kind; or as in
            training.

    References:
        Xiong et al. 2020 (ANCE), arXiv 2007.00808, sec. 4: negatives from an index of the model in training. There the
        index is renewed beside the training; here training waits for it, so that the result does not hang on time.
    """
    check_model(model, settings.trainer)
    _check(data, settings, job)
    rounds = _Rounds(model, data, settings, load, job, progress)
    rounds.claim()
    return rounds.to_the_end()


def _check(data: RoundsData, settings: RoundsSettings, job: TrainingJob) -> None:
    """Find before the first round what training would refuse after it was mined for."""
    if SOURCE in data.indices:
        raise SettingsError(f"indices: {SOURCE!r} is what the model in training is called; rename the other source")
    check_trackers(job.trackers)
    trainer = settings.trainer
    if trainer.patience is not None and not data.dev:
        raise SettingsError(
            "trainer.patience: without dev there is no gain to wait for; give dev judgements, or patience: null"
        )
    if wants := trainer.loss.wants() - {"guide"}:
        raise SettingsError(
            f"trainer.loss: {trainer.loss.type!r} wants {' and '.join(sorted(wants))}, and rounds have none for the "
            "negatives that they mine; take a loss without a teacher, such as type: infonce, or train once with the "
            "stages mine, select, assemble, teacher-scores and train"
        )
    check_guide(trainer.loss, data.guide)


@dataclass(frozen=True, slots=True)
class _Rounds:
    """The loop over rounds; all state lies in the working folder."""

    model: Path
    data: RoundsData
    settings: RoundsSettings
    load: EncoderLoader
    job: TrainingJob
    progress: Progress

    def claim(self) -> None:
        """Note in the working folder whose rounds it holds.

        Raises:
            ModelError: It holds other rounds.
        """
        data, folder = self.data, self.job.workdir
        identity = canonical_hash(
            [
                self.settings,
                ModelFolder.open(self.model).fingerprint(),
                [table.fingerprint() for table in (data.corpus, data.queries, data.qrels)],
                None if data.dev is None else data.dev.fingerprint(),
                sorted(data.indices),
                None if data.judge is None else data.judge.identity(),
                None if data.guide is None else data.guide.identity(),
            ]
        )
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _IDENTITY
        if file.is_file() and file.read_text() != json.dumps(identity):
            raise ModelError(
                f"{folder}: holds rounds of other settings, data or another model; give another working folder, or "
                "delete this one to start anew"
            )
        _write(file, identity)

    def to_the_end(self) -> RoundsResult:
        """Do what is left of the rounds, and choose the best."""
        best, value, waited, number = 0, None, 0, 0
        while number < self.settings.rounds and waited < self.settings.patience:
            number += 1
            facts = self._finished(number) or self._do(number)
            value = facts.start if number == 1 else value
            if facts.dev is None or value is None or facts.dev > value:
                best, value, waited = number, facts.dev, 0
            else:
                waited += 1
        chosen = self._folder(max(best, 1))
        folder = self.job.workdir / "model"
        shutil.rmtree(folder, ignore_errors=True)
        ModelFolder(self._model_of(best)).save(folder)
        return RoundsResult(folder, self._log(number), Negatives.open(chosen / "negatives"), best)

    def _do(self, number: int) -> _Facts:
        """Mine with the model of the round before, train, and note what came of it."""
        folder, trainer = self._folder(number), self.settings.trainer
        mined = self._mined(number)
        seed = derive_seed(trainer.seed, "round", str(number)) if number > 1 else trainer.seed
        start = self._model_of(number - 1 if self.settings.start == "previous" else 0)
        result = train(
            start,
            training_groups(self.data.qrels, mined[0], self.settings.selection.masking.grade_threshold),
            TrainingTexts(self.data.corpus, self.data.queries, self.data.guide),
            trainer.model_copy(update={"seed": seed}),
            prompts=read_prompts(self.model).model_dump(),
            job=self._job(number),
            dev=self._dev(),
        )
        values = [entry.value for entry in result.log.rows() if entry.name == "dev"]
        result.log.save(folder / "log")
        numbers = self._numbers(number, mined)
        facts = _Facts(values[0] if values else None, max(values) if values else None, numbers)
        _write(folder / _FACTS, asdict(facts))
        return facts

    def _job(self, number: int) -> TrainingJob:
        curves = self.job.trackers_folder
        return replace(
            self.job,
            workdir=self._folder(number) / "training",
            trackers_folder=None if curves is None else curves / f"round-{number}",
            on_step=self._counted(number),
        )

    def _counted(self, number: int) -> Callable[[int, int], None] | None:
        """Return what counts the steps of a round after those of the rounds before, among the steps of all rounds."""
        tell, rounds = self.job.on_step, self.settings.rounds
        if tell is None:
            return None
        return lambda done, total: tell(done + total * (number - 1), total * rounds)

    def _mined(self, number: int) -> tuple[Negatives, Candidates]:
        """Return the negatives of a round and the candidates behind them, mined where a killed try has not done it."""
        folder, data, settings = self._folder(number), self.data, self.settings
        if not (folder / "negatives").is_dir():
            encoder = self.load(self._model_of(number - 1))
            retriever = DenseRetriever(encoder, folder=folder / "vectors", device=self.job.device)
            with self.progress(f"round {number}: encode", len(data.corpus), "documents") as advance:
                index = retriever.build(data.corpus, advance)
            found = self._candidates(number, index)
            chosen = select_negatives(found, data.corpus, data.queries, data.qrels, settings.selection)
            for name, table in (("candidates", found), ("negatives", chosen.negatives)):
                partial = folder / f"{name}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                table.save(partial)
                shutil.rmtree(folder / name, ignore_errors=True)
                partial.rename(folder / name)
            shutil.rmtree(folder / "vectors", ignore_errors=True)
        return Negatives.open(folder / "negatives"), Candidates.open(folder / "candidates")

    def _candidates(self, number: int, index: Index) -> Candidates:
        data, settings = self.data, self.settings
        sources = {SOURCE: index, **data.indices}
        threshold = settings.selection.masking.grade_threshold
        collection = CandidateCollection(
            sources, data.queries, data.qrels, depth=settings.depth, grade_threshold=threshold
        )
        blocks = collection.blocks
        with self.progress(f"round {number}: mine", blocks[-1].stop * len(sources), "queries") as advance:
            return collection.join([collection.collect(rows, advance) for rows in blocks])

    def _numbers(self, number: int, mined: tuple[Negatives, Candidates]) -> dict[str, float]:
        negatives = mined[0]
        found = {"negatives": float(len(negatives)), "negatives-above-positive": above_positive(negatives)}
        if (judge := self.data.judge) is not None:
            relevant = self.data.qrels.relevant(self.settings.selection.masking.grade_threshold)
            scorer = TextPairScorer(judge, self.data.corpus)
            found["negatives-judged-false"] = judged_false(negatives, relevant, self.data.queries, scorer)
        if number > 1:
            moved = drift(self._mined(number - 1), mined, source=SOURCE, depth=self.settings.depth)
            found["negatives-overlap"] = moved.overlap
            if moved.rank_before is not None and moved.rank_after is not None:
                found |= {"rank-before": moved.rank_before, "rank-after": moved.rank_after}
        return found

    def _dev(self) -> Dev | None:
        data, settings = self.data, self.settings
        if data.dev is None or len(data.dev) == 0:
            return None
        asked = DevQueries(data.corpus, data.queries, data.dev, settings.dev_measure, settings.dev_depth)
        return lambda folder: asked.value(self.load(folder))

    def _folder(self, number: int) -> Path:
        return self.job.workdir / f"round-{number}"

    def _model_of(self, number: int) -> Path:
        return self._folder(number) / "training" / "model" if number else self.model

    def _finished(self, number: int) -> _Facts | None:
        """Return what a round left, or None where it is not finished, or its model is gone or the note damaged."""
        file = self._folder(number) / _FACTS
        # A model's card is written last.
        if not file.is_file() or not (self._model_of(number) / CARD).is_file():
            return None
        try:
            return _Facts(**json.loads(file.read_text()))
        except (ValueError, TypeError):
            return None

    def _log(self, rounds: int) -> TrainingLog:
        """Join the logs of all rounds, steps and epochs counted through, and what was noted of each round."""
        entries: list[LogEntry] = []
        steps, epochs = 0, 0.0
        for number in range(1, rounds + 1):
            facts, rows = self._finished(number), list(TrainingLog.open(self._folder(number) / "log").rows())
            assert facts is not None
            entries += [replace(entry, step=entry.step + steps, epoch=entry.epoch + epochs) for entry in rows]
            steps, epochs = steps + max(entry.step for entry in rows), epochs + self.settings.trainer.epochs
            dev = {} if facts.dev is None else {"round-dev": facts.dev}
            entries += [LogEntry(steps, epochs, name, value) for name, value in (dev | facts.numbers).items()]
        return TrainingLog.from_rows(entries)


def _write(file: Path, value: Json) -> None:
    """Write a file so that a kill leaves it whole or missing."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(value))
    partial.replace(file)
