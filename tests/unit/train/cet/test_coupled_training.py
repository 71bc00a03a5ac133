"""The coupled training: its formulas, an independent transcription of them, and kills that change no bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.errors import SettingsError
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.testing.models import write_cross_encoder, write_transformer_model
from pyrite.train import CetResult, CetTrainer, TrainingJob, TrainingTexts, train_cet
from pyrite.train.batches import BatchPlan
from pyrite.train.cet.learner import CetLearner
from pyrite.train.cet.objective import pair_weights, weighted_loss
from pyrite.train.examples import resolve
from pyrite.train.progress import StepNumbers
from pyrite.train.reranker.lists import ScoredLists

WORDS = ["gold", *(f"w{i}" for i in range(50))]
PLAIN = CetTrainer(batch_size=8, epochs=2, learning_rate=0.01, warmup=None, temperature=2.0)
BIAS = "0.model.classifier.bias"
THERE = torch.ones(2, 4, dtype=torch.bool)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads on models this small do nothing but wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoderSettings:
    return CrossEncoderSettings(model=str(write_cross_encoder(tmp_path_factory.mktemp("cross"), WORDS)))


@pytest.fixture(scope="module")
def texts() -> TrainingTexts:
    """40 queries and 80 documents of 5 words; the even documents, which are the positives, begin with gold."""
    draw = np.random.default_rng(1)
    words = [" ".join(f"w{j}" for j in draw.integers(0, 50, 5)) for _ in range(120)]
    documents = [Document(f"d{i}", ("gold " if i % 2 == 0 else "") + words[i]) for i in range(80)]
    return TrainingTexts(
        Corpus.from_rows(documents), Queries.from_rows(Query(f"q{i}", words[80 + i]) for i in range(40))
    )


@pytest.fixture(scope="module")
def groups() -> TrainingSet:
    """A group for each query: two negatives, one for every third. 40 pairs, so that 8 in a batch make 5 steps."""
    return TrainingSet.from_rows(
        TrainingGroup(f"q{i}", (f"d{2 * i}",), (f"d{2 * i + 1}", f"d{(2 * i + 7) % 80}")[: 1 + (i % 3 > 0)])
        for i in range(40)
    )


@pytest.fixture
def call(start: CrossEncoderSettings, groups: TrainingSet, texts: TrainingTexts, tmp_path: Path) -> Callable[..., Any]:
    def train(name: str, settings: CetTrainer = PLAIN, model: CrossEncoderSettings = start, **others: Any) -> CetResult:
        dev = others.pop("dev", None)
        job = TrainingJob(tmp_path / name, device="cpu", **others)
        return train_cet(model, groups, texts, settings, job=job, dev=dev)

    return train


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def noted(result: CetResult, name: str) -> list[float]:
    return [entry.value for entry in result.relevance.log.rows() if entry.name == name]


@given(st.floats(-20, 20), st.floats(0.5, 20))
def test_a_weight_is_that_of_the_formula_and_grows_with_the_score(score: float, temperature: float) -> None:
    scores = torch.tensor([[score, score + 0.5]], dtype=torch.float64)
    low, high = pair_weights(scores, torch.ones(1, 2, dtype=torch.bool), temperature)[0].tolist()
    assert low == pytest.approx(1 + np.exp(score / temperature))
    assert high > low > 1


def test_weights_carry_no_gradient() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    logits = torch.randn(2, 4, requires_grad=True)
    weights = pair_weights(scores, THERE[:, 1:], 2.0)
    assert not weights.requires_grad
    weighted_loss(ScoredLists(logits, THERE), weights).backward()
    assert scores.grad is None
    assert logits.grad is not None


def test_without_scores_of_the_other_the_gradient_is_twice_the_unweighted_one() -> None:
    logits = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    weights = pair_weights(torch.zeros(2, 3, dtype=torch.float64), THERE[:, 1:], 10.0)
    assert weights.tolist() == [[2.0] * 3] * 2
    (weighted,) = torch.autograd.grad(weighted_loss(ScoredLists(logits, THERE), weights), logits)
    losses = -torch.log(logits[:, :1].exp() / (logits[:, :1].exp() + logits[:, 1:].exp()))
    (plain,) = torch.autograd.grad(losses.mean(), logits)
    assert torch.allclose(weighted, 2 * plain, rtol=1e-12)


def test_cap_mean_and_padding() -> None:
    scores = torch.log(torch.tensor([[1.0, 3.0, 9.0]]))
    there = torch.tensor([[True, True, False]])
    assert pair_weights(scores, there, 1.0).tolist() == [pytest.approx([2, 4, 0])]
    assert pair_weights(scores, there, 1.0, cap=3.0).tolist() == [pytest.approx([2, 3, 0])]
    assert pair_weights(scores, there, 1.0, normalise=True).tolist() == [pytest.approx([2 / 3, 4 / 3, 0])]


def test_weights_of_the_training_set_multiply_the_loss_of_a_pair() -> None:
    """The loss of a pair at equal scores is ln 2; five pairs are there."""
    lists = ScoredLists(
        torch.zeros(2, 4),
        torch.tensor([[True] * 4, [True, True, True, False]]),
        weights=torch.tensor([[1.0, 0.5, 0.0], [2.0, 1.0, 9.0]]),
        example_weights=torch.tensor([1.0, 3.0]),
    )
    weights = pair_weights(torch.zeros(2, 3), lists.present[:, 1:], 1.0)
    assert float(weighted_loss(lists, weights)) == pytest.approx(2 * np.log(2) * (1.5 + 3 * 3.0) / 5)


class Transcription:
    """The formulas once more in plain torch, on transformers' own models, one pair at a time.

    Args:
        folder: An untrained model.
        settings: How.
    """

    def __init__(self, folder: Path, settings: CetTrainer) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.model = AutoModelForSequenceClassification.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        wide = [weights for weights in self.model.parameters() if weights.ndim > 1]
        narrow = [weights for weights in self.model.parameters() if weights.ndim == 1]
        parts = [{"params": wide, "weight_decay": settings.weight_decay}, {"params": narrow, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(parts, lr=settings.learning_rate)

    def score(self, query: str, document: str) -> torch.Tensor:
        scored: torch.Tensor = self.model(**self.tokenizer(query, document, return_tensors="pt")).logits[0, 0]
        return scored

    def step(self, pairs: list[tuple[str, str, str]], weights: list[float], rate: float) -> float:
        losses = []
        for (query, positive, negative), weight in zip(pairs, weights, strict=True):
            p, n = self.score(query, positive), self.score(query, negative)
            losses.append(weight * -torch.log(torch.exp(p) / (torch.exp(p) + torch.exp(n))))
        loss = sum(losses[1:], start=losses[0]) / len(losses)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss.detach())


@dataclass
class Done:
    """What one step of the product came to, f before g."""

    losses: tuple[float, float]
    offsets: tuple[torch.Tensor, torch.Tensor]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Done]:
    """All steps, noted as they are done."""
    steps: list[Done] = []
    step = CetLearner.step

    def noting(self: CetLearner, number: int, members: np.ndarray) -> StepNumbers:
        numbers = step(self, number, members)
        biases = [dict(network.module.named_parameters())[BIAS].detach().clone() for network in self.networks.values()]
        steps.append(Done((numbers.loss, numbers.facts["selection-loss"]), (biases[0], biases[1])))
        return numbers

    monkeypatch.setattr(CetLearner, "step", noting)
    return steps


def test_every_step_is_that_of_an_independent_transcription(
    groups: TrainingSet, texts: TrainingTexts, done: list[Done], tmp_path: Path
) -> None:
    """Without dropout, the losses of ten steps and the weights that they end with.

    A loss of pairs leaves the head's bias free: its gradient is rounding alone, which AdamW blows up to whole steps,
    and the weights of the other model see them. So the transcription takes the product's bias after each step.
    """
    still = CrossEncoderSettings(model=str(write_cross_encoder(tmp_path / "still", WORDS, dropout=0.0)))
    settings = PLAIN.model_copy(update={"head_dropout": 0.0, "learning_rate": 1e-3})
    job = TrainingJob(tmp_path / "work", device="cpu", trackers=())
    result = train_cet(still, groups, texts, settings, job=job)
    f, g = (Transcription(tmp_path / "work" / name, settings) for name in ("start", "start-selection"))
    examples = resolve(groups, texts, 1)
    plan = BatchPlan.build(examples, settings.batch_size, settings.seed, settings.epochs)
    assert len(done) == plan.steps == 10
    for step, members in plan.after(0):
        pairs = []
        for member in members:
            group = examples.groups[member]
            documents = (examples.positives[member], examples.negatives[group, 0])
            pairs.append((examples.query_texts[group], *(examples.document_texts[row] for row in documents)))
        with torch.no_grad():
            observed, relevant = (
                [1 + float(torch.exp(model.score(query, negative) / 2.0)) for query, _, negative in pairs]
                for model in (g, f)
            )
        rate = settings.rate(step, plan.steps)
        losses = (f.step(pairs, observed, rate), g.step(pairs, relevant, rate))
        assert done[step - 1].losses == pytest.approx(losses, rel=1e-5)
        with torch.no_grad():
            for model, bias in zip((f, g), done[step - 1].offsets, strict=True):
                model.model.classifier.bias.copy_(bias)
    for found, wanted in ((result.relevance.folder, f), (result.selection, g)):
        again = dict(Transcription(found, settings).model.named_parameters())
        for name, weights in wanted.model.named_parameters():
            # The bias of a key moves no attention: its gradient is rounding alone as well.
            if not name.endswith("key.bias"):
                assert torch.allclose(again[name], weights, atol=1e-5), name


@pytest.mark.parametrize("step", range(1, 11))
def test_a_kill_at_any_step_changes_no_bit(call: Callable[..., Any], weights: Any, step: int) -> None:
    def killed(done: int, steps: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    whole = call("whole", checkpoint_steps=3)
    torch.manual_seed(step)  # what ran before does not matter
    with pytest.raises(KeyboardInterrupt):
        call("killed", checkpoint_steps=3, on_step=killed)
    steps: list[int] = []
    resumed = call("killed", checkpoint_steps=3, on_step=lambda done, _: steps.append(done))
    assert steps == list(range(1 + max(done for done in (0, 3, 5, 6, 9, 10) if done <= step), 11))
    for a, b in ((whole.relevance.folder, resumed.relevance.folder), (whole.selection, resumed.selection)):
        assert ModelFolder(a).fingerprint() == ModelFolder(b).fingerprint()
        assert same(weights(a), weights(b))
    assert list(whole.relevance.log.rows()) == list(resumed.relevance.log.rows())


def test_a_kill_between_mini_batches_changes_no_bit(call: Callable[..., Any], weights: Any) -> None:
    def killed(done: int, steps: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = call("whole", checkpoint_steps=3, mini_batch_tokens=60)
    with pytest.raises(KeyboardInterrupt):
        call("killed", checkpoint_steps=3, mini_batch_tokens=60, on_step=killed)
    resumed = call("killed", checkpoint_steps=3, mini_batch_tokens=60)
    assert same(weights(resumed.relevance.folder), weights(whole.relevance.folder))
    assert same(weights(resumed.selection), weights(whole.selection))


def test_both_learn_and_the_log_tells_how_alike_they_are(call: Callable[..., Any], texts: TrainingTexts) -> None:
    result = call("work", PLAIN.model_copy(update={"epochs": 6, "head_dropout": None}))
    query, documents = texts.queries.texts()[0], texts.corpus.texts()
    for folder in (result.relevance.folder, result.selection):
        scorer = CrossEncoderScorer.load(folder, device="cpu")
        positives, others = (scorer.score([(query, text) for text in documents[first::2]]) for first in (0, 1))
        assert np.mean(positives[:, None] > others[None, :]) > 0.8
    correlations = noted(result, "f-g-correlation")
    assert len(correlations) == 3
    assert all(-1 <= value <= 1 for value in correlations)
    assert all(value > 1 for value in noted(result, "selection-weight"))
    assert "model of selection" in (result.selection / "README.md").read_text()


def test_heads_are_drawn_apart_and_the_bodies_are_the_start(
    call: Callable[..., Any], weights: Any, tmp_path: Path
) -> None:
    call("new")
    f, g = (weights(tmp_path / "new" / name) for name in ("start", "start-selection"))
    assert {name for name in f if not np.array_equal(f[name], g[name])} == {"classifier.weight"}
    call("kept", PLAIN.model_copy(update={"heads": "start"}))
    assert same(*(weights(tmp_path / "kept" / name) for name in ("start", "start-selection")))
    call("other", PLAIN.model_copy(update={"seed": 1}))
    assert not same(f, weights(tmp_path / "other" / "start"))


def test_only_heads_and_dropout_tell_the_two_apart(call: Callable[..., Any], weights: Any, tmp_path: Path) -> None:
    """The caveat, seen: from one head and without dropout, both go the same way to the last bit."""
    still = CrossEncoderSettings(model=str(write_cross_encoder(tmp_path / "still", WORDS, dropout=0.0)))
    result = call("work", PLAIN.model_copy(update={"heads": "start", "head_dropout": 0.0}), still)
    assert same(weights(result.relevance.folder), weights(result.selection))
    assert noted(result, "f-g-correlation") == [pytest.approx(1.0)]


def test_an_encoder_gets_two_heads(call: Callable[..., Any], weights: Any, tmp_path: Path) -> None:
    model = CrossEncoderSettings(model=str(write_transformer_model(tmp_path / "encoder", WORDS)), max_length=24)
    result = call("work", PLAIN, model)
    assert not same(weights(tmp_path / "work" / "start"), weights(tmp_path / "work" / "start-selection"))
    CrossEncoderScorer.load(result.selection, device="cpu")


def test_the_best_epoch_by_f_is_that_of_both(call: Callable[..., Any], weights: Any, tmp_path: Path) -> None:
    values = iter([0.1, 0.5, 0.4])
    seen: list[Path] = []

    def dev(folder: Path) -> float:
        seen.append(folder)
        return next(values)

    best = call("best", dev=dev)
    assert best.relevance.best_epoch == 1
    assert [folder.name for folder in seen] == ["start", "dev-model", "dev-model"]
    values = iter([0.1, 0.5, 0.6])
    last = call("last", dev=lambda folder: next(values))
    assert not same(weights(best.selection), weights(last.selection))
    values = iter([0.5, 0.1, 0.1])
    none = call("none", dev=lambda folder: next(values))
    assert none.relevance.best_epoch == 0
    assert same(weights(none.selection), weights(tmp_path / "none" / "start-selection"))


def test_what_does_not_fit_is_said(call: Callable[..., Any], groups: TrainingSet, texts: TrainingTexts) -> None:
    with pytest.raises(SettingsError, match=r"warmup: 10000 steps are not fewer than the 10 of the training"):
        call("a", PLAIN.model_copy(update={"warmup": 10_000}))
    with pytest.raises(SettingsError, match=r"patience: without dev"):
        call("a", PLAIN.model_copy(update={"patience": 1}))
    bare = TrainingSet.from_rows(replace(row, negative_ids=()) for row in groups.rows())
    with pytest.raises(SettingsError, match=r"cet has no negatives to learn from"):
        train_cet(CrossEncoderSettings(model="x"), bare, texts, PLAIN, job=TrainingJob(Path("nowhere")))
