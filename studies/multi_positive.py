"""Is a query's loss better with all its positives at once than with one of them at random?

Cranfield's 225 queries have 7 relevant documents each on average and no training split, so that they are
cross-validated: five folds, a static encoder (WordLlama's) trained on four of them, nDCG@10 on the fifth; every query
is a test query X

- `one`: InfoNCE; each step takes one positive of a query at random, no pair again before all had their turn.
- `drawn`: InfoNCE with a single positive of each query, drawn beforehand: what one label a query offers.
- `each`, `together`, `any`: the three forms of multi-positive InfoNCE, with up to 8 positives of a query at once.

Nothing is chosen on dev or test; rate and steps are the trainer's defaults for `one`. Run with
`python -m studies.multi_positive`; it reads Cranfield from PYRITE_TEST_DATA (default ../shared/data) and writes into
PYRITE_CACHE (default .cache/pyrite). What is done is not done again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyrite.data import Corpus, Qrels, Queries, QueryScores, TrainingGroup, TrainingSet
from pyrite.data.formats.beir import read_beir
from pyrite.data.groups import training_groups
from pyrite.eval import evaluate_index
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.settings import WordLlamaSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.search import DenseRetriever
from pyrite.seeds import rng
from pyrite.settings import canonical_hash
from pyrite.train import StaticTrainer, TrainingJob, TrainingTexts, train
from pyrite.train.losses import InfoNCE, LossSettings, MultiPositiveInfoNCE
from studies.scores import kept, told

__all__ = ["ARMS", "Plan", "Task", "folds", "main", "study"]

ROOT = Path(__file__).resolve().parents[1]
MEASURE = "nDCG@10"
ARMS: dict[str, LossSettings] = {
    "one": InfoNCE(),
    "drawn": InfoNCE(),
    "each": MultiPositiveInfoNCE(combine="each"),
    "together": MultiPositiveInfoNCE(combine="together"),
    "any": MultiPositiveInfoNCE(combine="any"),
}
PAIRS = [("one", "untrained"), *((arm, "one") for arm in ("drawn", "each", "together", "any"))]
_LOG = logging.getLogger("multi-positive")


@dataclass(frozen=True)
class Plan:
    """What the result depends on, models and data apart.

    Attributes:
        folds: Parts of the queries; each is tested on once.
        seeds: Trainings of an arm and fold.
        epochs: Passes of `one` over all pairs; the other arms take as many steps.
        batch: Examples in a step.
        learning_rate: The highest.
    """

    folds: int = 5
    seeds: int = 5
    epochs: int = 5
    batch: int = 64
    learning_rate: float = 0.03

    def trainer(self, arm: str, training_set: TrainingSet, steps: int, seed: int) -> StaticTrainer:
        """Return the settings of a training that takes at least so many steps, by whole epochs."""
        loss = ARMS[arm]
        at_once = loss.positives if isinstance(loss, MultiPositiveInfoNCE) else 1
        examples = sum(math.ceil(len(group.positive_ids) / at_once) for group in training_set.rows())
        return StaticTrainer(
            epochs=math.ceil(steps / math.ceil(examples / self.batch)),
            batch_size=self.batch,
            learning_rate=self.learning_rate,
            negatives=0,
            loss=loss,
            seed=seed,
        )


@dataclass(frozen=True)
class Task:
    """What is learnt and searched.

    Attributes:
        corpus: The documents.
        queries: The queries.
        qrels: All judgements, no query in two folds.
    """

    corpus: Corpus
    queries: Queries
    qrels: Qrels


def folds(qrels: Qrels, number: int) -> Iterator[tuple[Qrels, Qrels]]:
    """Yield (training, test) for each part of the queries in turn, parted by a fixed seed."""
    order = rng(0, "folds").permutation(sorted(qrels.query_ids())).tolist()
    for fold in range(number):
        held = set(order[fold::number])
        parts = [[row for row in qrels.rows() if (row.query_id in held) == test] for test in (False, True)]
        yield Qrels.from_rows(parts[0]), Qrels.from_rows(parts[1])


def _one_positive(training_set: TrainingSet, seed: int) -> TrainingSet:
    """Return the groups with one of their positives each."""
    draw = rng(seed, "drawn-positive")
    groups = list[TrainingGroup]()
    for group in training_set.rows():
        positive = group.positive_ids[int(draw.integers(len(group.positive_ids)))]
        groups.append(TrainingGroup(query_id=group.query_id, positive_ids=[positive]))
    return TrainingSet.from_rows(groups)


def _measured(model: Path, task: Task, test: Qrels, system: str) -> QueryScores:
    index = DenseRetriever(open_encoder(ModelFolder(model), device="cpu"), name=system).build(task.corpus)
    return evaluate_index(index, task.queries, test, [MEASURE], depth=10)[1]


def study(encoder: Path, task: Task, plan: Plan, folder: Path) -> dict[str, list[QueryScores]]:
    """Train every arm on every fold with every seed, and measure it on the queries held out.

    Args:
        encoder: The untrained static encoder.
        task: The collection.
        plan: The sizes.
        folder: Keeps the scores of what is done.

    Returns:
        {arm: the scores of each seed on all queries}, "untrained" among them.
    """
    texts = TrainingTexts(task.corpus, task.queries)
    parts = list(folds(task.qrels.relevant(), plan.folds))
    untrained = kept(folder / "untrained", lambda: _measured(encoder, task, task.qrels, "untrained"))
    scores = {"untrained": [untrained]}
    for arm, seed in itertools.product(ARMS, range(plan.seeds)):
        found = list[QueryScores]()
        for fold, (judged, held) in enumerate(parts):
            home = folder / f"{arm}-{seed}-{fold}"
            test = Qrels.from_rows(row for row in task.qrels.rows() if row.query_id in set(held.query_ids()))
            groups = training_groups(judged)
            steps = plan.epochs * math.ceil(len(judged) / plan.batch)
            groups = _one_positive(groups, seed) if arm == "drawn" else groups
            settings = plan.trainer(arm, groups, steps, seed)

            def run(
                home: Path = home,
                groups: TrainingSet = groups,
                test: Qrels = test,
                settings: StaticTrainer = settings,
                arm: str = arm,
            ) -> QueryScores:
                job = TrainingJob(home / "training", device="cpu", trackers=())
                prompts = read_prompts(encoder).model_dump()
                result = train(encoder, groups, texts, settings, prompts=prompts, job=job)
                return _measured(result.folder, task, test, arm)

            found.append(kept(home, run))
        rows = [row for table in found for row in table.rows()]
        scores.setdefault(arm, []).append(QueryScores.from_rows(rows, {"system": arm}))
        _LOG.info("%s, seed %d: %s %.4f", arm, seed, MEASURE, scores[arm][-1].means()[MEASURE])
    return scores


def main() -> None:
    """Run the study, and say what came out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=Plan.seeds)
    plan = Plan(seeds=parser.parse_args().seeds)
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    cache = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite")
    collection = read_beir(data / "cranfield", empty_documents="keep")
    # The number of seeds is left out: more of them go on from what is there.
    identity = [plan.folds, plan.epochs, plan.batch, plan.learning_rate]
    folder = cache / f"multi-positive-{canonical_hash(identity)[:12]}"
    encoder = folder / "encoder"
    if not encoder.is_dir():
        shutil.rmtree(folder / "encoder.partial", ignore_errors=True)
        bring_encoder(WordLlamaSettings(), folder / "encoder.partial")
        (folder / "encoder.partial").rename(encoder)
    task = Task(collection.corpus, collection.queries, collection.split("test"))
    lines = told(study(encoder, task, plan, folder), PAIRS, MEASURE)
    (folder / "result.json").write_text(json.dumps(lines, indent=1))
    for line in lines:
        _LOG.info(line)


if __name__ == "__main__":
    main()
