"""Does a small language model become a better embedder by a teacher's soft labels than by hard ones?

A causal language model is made an encoder (last token, an instruction before queries) and trained with low-rank
adapters on MedQuAD's training queries with negatives from BM25, in two arms that differ in the loss alone: InfoNCE, and
InfoNCE + KL to the scores of the cross-encoder that `make cross-encoder` trains, as our reconstruction of
LG-ANNA-Embedding (arXiv 2506.07438) has it. Each arm has several seeds, which decide adapters and batches. The measure
is nDCG@10 over drawn test queries and a pool of documents: those relevant to them, and BM25's first ones for each.

Run with `python -m studies.llm_embedder --model FOLDER --size tiny`; FOLDER holds a causal language model as
transformers loads it, such as SmolLM2-135M-Instruct. Reads MedQuAD from PYRITE_TEST_DATA (default ../shared/data) and
writes into PYRITE_CACHE (default .cache/pyrite). What is done is not done again; a training that was killed goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from pyrite.data import Corpus, Judgment, Qrels, Queries, QueryScores, TrainingSet
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.data.groups import training_groups
from pyrite.eval import evaluate_index
from pyrite.mining import HardNegativeMiner, UniformSampler
from pyrite.models import CrossEncoderScorer
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import PairScorer
from pyrite.models.settings import CausalLMSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.search import DenseRetriever, LexicalRetriever
from pyrite.search.rescoring import TextPairScorer
from pyrite.seeds import rng
from pyrite.settings import canonical_hash
from pyrite.train import LoraSettings, TrainingJob, TrainingTexts, TransformerTrainer, train
from pyrite.train.losses import InfoNCE, KLDistillation, LossSettings, SumOfLosses, WeightedLoss
from pyrite.train.teacher import add_teacher_scores
from studies.cross_encoder import FOLDER, ROOT
from studies.scores import kept, told

__all__ = ["SIZES", "Material", "Plan", "main", "material", "measure", "study"]

MEASURE = "nDCG@10"
TASK = "Given a medical question, retrieve passages that answer it"
TEMPERATURE = 0.02
ARMS: dict[str, LossSettings] = {
    "hard": InfoNCE(temperature=TEMPERATURE),
    "soft": SumOfLosses(
        terms=(
            WeightedLoss(loss=InfoNCE(temperature=TEMPERATURE)),
            WeightedLoss(loss=KLDistillation(temperature=TEMPERATURE, teacher_temperature=1.0)),
        )
    ),
}
PAIRS = [("hard", "untrained"), ("soft", "untrained"), ("soft", "hard")]
_LOG = logging.getLogger("llm-embedder")


@dataclass(frozen=True)
class Plan:
    """What the result depends on, models and data apart.

    Attributes:
        train_queries: Training queries, drawn at random; 0 for all.
        test_queries: Test queries likewise.
        pool: BM25's first documents of each test query that the pool holds; 0 for the whole corpus.
        tokens: Tokens of a text.
        seeds: Trainings of an arm.
        epochs: Passes over the training queries.
        batch: Pairs a step.
        rank: Of the adapters.
        learning_rate: The highest.
        negatives: Of each query.
        depth: Ranks of BM25 to draw them from.
        precision: What training computes in.
    """

    train_queries: int = 0
    test_queries: int = 0
    pool: int = 0
    tokens: int = 256
    seeds: int = 5
    epochs: int = 1
    batch: int = 16
    rank: int = 16
    learning_rate: float = 2e-4
    negatives: int = 4
    depth: int = 50
    precision: str = "bf16"

    def trainer(self, loss: LossSettings, seed: int) -> TransformerTrainer:
        """Return the settings of a training."""
        return TransformerTrainer.model_validate(
            {
                **{"epochs": self.epochs, "batch_size": self.batch, "learning_rate": self.learning_rate, "seed": seed},
                **{"negatives": self.negatives, "precision": self.precision, "max_length": self.tokens, "loss": loss},
                "lora": LoraSettings(rank=self.rank, alpha=2 * self.rank, export="adapter"),
            }
        )


SIZES = {
    "tiny": Plan(160, test_queries=100, pool=4, tokens=32, epochs=2, batch=8, negatives=2, learning_rate=1e-3),
    "small": Plan(train_queries=600, test_queries=300, pool=10, tokens=96, seeds=3),
    "medium": Plan(train_queries=4000, pool=20, tokens=128),
    "full": Plan(),
}
"""An hour, a few hours, a day on 2 cores; the last one for a GPU."""


@dataclass(frozen=True)
class Material:
    """What the arms share.

    Attributes:
        texts: All documents and queries.
        training_set: Queries with positives, negatives and the teacher's scores of both.
        pool: The documents that are searched.
        qrels: The judgements of the drawn test queries.
    """

    texts: TrainingTexts
    training_set: TrainingSet
    pool: Corpus
    qrels: Qrels


def material(collection: Collection, plan: Plan, teacher: PairScorer, folder: Path) -> Material:
    """Draw queries, mine negatives, ask the teacher, and make the pool.

    Args:
        collection: With splits "train" and "test".
        plan: The sizes.
        teacher: Gives soft labels.
        folder: Keeps the training set, so that negatives are mined and the teacher is asked once.
    """
    kept = folder / "training-set"
    if not kept.is_dir():
        partial = folder / "training-set.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        scorer = TextPairScorer(teacher, collection.corpus)
        add_teacher_scores(_mined(collection, plan), collection.queries, scorer).save(partial)
        partial.rename(kept)
    qrels = _drawn(collection.split("test"), plan.test_queries, "test")
    texts = TrainingTexts(collection.corpus, collection.queries)
    return Material(texts, TrainingSet.open(kept), _pool(collection, qrels, plan.pool), qrels)


def _mined(collection: Collection, plan: Plan) -> TrainingSet:
    judged = _drawn(collection.split("train"), plan.train_queries, "train")
    queries = collection.queries.select(sorted(judged.query_ids()))
    miner = HardNegativeMiner([LexicalRetriever()], sampler=UniformSampler(count=plan.negatives, seed=0))
    # All judgements: a document that answers a query is no negative because it was not drawn.
    mined = miner.mine(collection.corpus, queries, collection.split("train"), depth=plan.depth)
    return training_groups(judged, mined.negatives)


def _drawn(qrels: Qrels, number: int, purpose: str) -> Qrels:
    """Return the relevant judgements of so many queries, drawn by a fixed seed; 0 for all."""
    ids = sorted(qrels.relevant().query_ids())
    drawn = set(rng(0, f"llm-embedder-{purpose}").permutation(ids)[: number or None].tolist())
    rows: list[Judgment] = [row for row in qrels.relevant().rows() if row.query_id in drawn]
    return Qrels.from_rows(rows)


def _pool(collection: Collection, qrels: Qrels, depth: int) -> Corpus:
    if depth == 0:
        return collection.corpus
    queries: Queries = collection.queries.select(sorted(qrels.query_ids()))
    found = LexicalRetriever().build(collection.corpus).search(queries, depth).column("doc_id").to_pylist()
    return collection.corpus.select(sorted({row.doc_id for row in qrels.rows()} | set(found)))


def measure(model: Path, given: Material, system: str, device: str = "auto") -> QueryScores:
    """Return what a model reaches on the pool."""
    index = DenseRetriever(open_encoder(ModelFolder(model), device=device), name=system).build(given.pool)
    return evaluate_index(index, given.texts.queries, given.qrels, [MEASURE], depth=10)[1]


def study(
    encoder: Path, given: Material, plan: Plan, folder: Path, device: str = "auto"
) -> dict[str, list[QueryScores]]:
    """Measure the untrained encoder, train every arm with every seed, and measure each.

    Args:
        encoder: The untrained encoder.
        given: What the arms share.
        plan: The sizes.
        folder: Keeps the scores of what is done, and the training in work.
        device: Where to compute.

    Returns:
        {arm: the scores of each seed}, "untrained" among them.
    """
    scores = {arm: list[QueryScores]() for arm in ("untrained", *ARMS)}
    scores["untrained"].append(kept(folder / "untrained", lambda: measure(encoder, given, "untrained", device)))
    # Seed by seed, so that a study cut short has compared something.
    for seed, (arm, loss) in itertools.product(range(plan.seeds), ARMS.items()):
        home, settings = folder / f"{arm}-{seed}", plan.trainer(loss, seed)

        def run(home: Path = home, arm: str = arm, settings: TransformerTrainer = settings) -> QueryScores:
            job = TrainingJob(
                home / "training",
                device=device,
                # Adapters are small: a checkpoint costs little beside a step.
                checkpoint_steps=5,
                on_step=lambda done, steps: _LOG.info("%s: step %d of %d", home.name, done, steps),
            )
            prompts = read_prompts(encoder).model_dump()
            result = train(encoder, given.training_set, given.texts, settings, prompts=prompts, job=job)
            result.log.save(home)
            return measure(result.folder, given, arm, device)

        scores[arm].append(kept(home, run))
        _LOG.info("%s: %s %.4f", home.name, MEASURE, scores[arm][-1].means()[MEASURE])
    return scores


def main() -> None:
    """Run the study at a size, and say what came out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="the folder of a causal language model")
    parser.add_argument("--teacher", type=Path, default=FOLDER, help="the folder of a cross-encoder")
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    plan = SIZES[options.size]
    settings = CausalLMSettings(model=str(options.model), task=TASK, max_length=max(plan.tokens, 48))
    identity = [asdict(plan), settings, ModelFolder(options.teacher).fingerprint()]
    cache = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite")
    folder = cache / f"llm-embedder-{options.size}-{canonical_hash(identity)[:12]}"
    if not (folder / "encoder").is_dir():
        shutil.rmtree(folder / "encoder.partial", ignore_errors=True)
        bring_encoder(settings, folder / "encoder.partial")
        (folder / "encoder.partial").rename(folder / "encoder")
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    teacher = CrossEncoderScorer.load(options.teacher, device=options.device)
    given = material(read_beir(data / "medquad"), plan, teacher, folder)
    sizes = (len(given.training_set), len(given.qrels.query_ids()), len(given.pool))
    _LOG.info("%d groups, %d test queries, %d documents", *sizes)
    lines = told(study(folder / "encoder", given, plan, folder, options.device), PAIRS, MEASURE)
    (folder / "result.json").write_text(json.dumps({"plan": asdict(plan), "lines": lines}, indent=1))
    for line in lines:
        _LOG.info(line)


if __name__ == "__main__":
    main()
