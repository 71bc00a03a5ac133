from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pyrite.data import LogEntry, TrainingGroup, TrainingLog, TrainingSet
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.train import RerankerTrainer, StaticTrainer, TrainingJob, TrainingResult, TrainingTexts, train
from pyrite.train.card import CardFacts, add_to_card, write_card
from pyrite.train.card_kinds import dense_retriever, reranker

LOG = TrainingLog.from_rows(
    [
        LogEntry(0, 0.0, "dev", 0.25),
        LogEntry(5, 0.5, "loss", 3.0),
        LogEntry(10, 1.0, "epoch-loss", 2.0),
        LogEntry(10, 1.0, "dev", 0.5),
    ]
)


@pytest.fixture
def facts(static_model: Path, texts: TrainingTexts) -> CardFacts:
    groups = [
        TrainingGroup("q0", ("d0", "d9"), ("d1", "d2", "d3"), sources=(("bm25",), ("dense", "bm25"), ("dense",))),
        TrainingGroup("q1", ("d1",), ("d4",), example_weight=0.25),
        TrainingGroup("q2", ("d2",), example_weight=2.0),
    ]
    settings = StaticTrainer(negatives=2).model_dump(mode="json")
    training_set = TrainingSet.from_rows(groups, {"eci": {"bm25": 0.125}, "fold": 3})
    kind = dense_retriever({"query": "q: "})
    return CardFacts(kind, static_model, static_model.name, training_set, texts, settings, measured=True)


def write(facts: CardFacts, folder: Path, best_epoch: int = 1) -> str:
    write_card(facts, TrainingResult(folder, LOG, best_epoch))
    return (folder / "README.md").read_text()


def test_the_card_counts_what_was_used(facts: CardFacts, tmp_path: Path) -> None:
    card = write(facts, tmp_path)
    assert "| queries | 3 |" in card
    assert "| pairs of a query and a positive | 4 |" in card
    assert "| mined negatives in use | 3 |" in card
    assert "brings 0 to 2 mined negatives, 1.0 in the mean" in card
    for row in ("| bm25 | 1 | 33.3% |", "| bm25 and dense | 1 | 33.3% |", "| unknown | 1 | 33.3% |"):
        assert row in card
    assert "| dense |" not in card  # the third is not among the first two


def test_the_card_tells_what_the_training_set_says_of_itself(facts: CardFacts, tmp_path: Path) -> None:
    card = write(facts, tmp_path)
    assert "2 of the 3 queries have a weight of their own, from 0.25 to 2; the others count once." in card
    told = "Effective Contrastive Information (ECI) of the negatives, taken before training:\n\n```yaml\n"
    assert f"{told}bm25: 0.125\n```" in card
    alone = replace(facts, training_set=TrainingSet(facts.training_set.arrow, {"eci": 0.5}))
    assert f"{told}0.5\n```" in write(alone, tmp_path)
    without = replace(facts, training_set=TrainingSet(facts.training_set.arrow))
    assert "Effective Contrastive Information" not in write(without, tmp_path)


@pytest.mark.parametrize(
    ("start", "called", "library"),
    [
        (CrossEncoderSettings(model="somebody/cross"), 'CrossEncoder("path/to/this/folder")', "sentence-transformers"),
        (
            YesNoSettings(model="x", revision="y", yes=("ja",), chat=False),
            "YesNoSettings(model='path/to/this/folder', chat=False, yes=('ja',))",
            "transformers",
        ),
    ],
    ids=["cross-encoder", "llm-yes-no"],
)
def test_a_reranker_is_told_of_by_the_same_writer(
    facts: CardFacts, tmp_path: Path, start: CrossEncoderSettings | YesNoSettings, called: str, library: str
) -> None:
    settings = RerankerTrainer(negatives=2).model_dump(mode="json")
    card = write(replace(facts, kind=reranker(start), name="somebody/cross", settings=settings), tmp_path)
    _, header, body = card.split("---\n", 2)
    read = yaml.safe_load(header)
    assert (read["library_name"], read["pipeline_tag"]) == (library, "text-ranking")
    assert called in body
    assert "# A reranker\n\nTrained from `somebody/cross` (content " in body
    assert "to score a query and a document together. The weights are those after epoch 1" in body
    assert "The objective is `listwise-and-pairs`; these are all settings" in body
    assert "| bm25 and dense | 1 | 33.3% |" in body
    assert "| 1 | 2.0000 | 0.5000 | yes |" in body
    compile(body.split("```python\n")[1].split("```")[0], "card", "exec")


def test_the_card_tells_epochs_and_the_chosen_one(facts: CardFacts, tmp_path: Path) -> None:
    card = write(facts, tmp_path)
    assert "| 0 |  | 0.2500 |  |" in card
    assert "| 1 | 2.0000 | 0.5000 | yes |" in card
    assert "those after epoch 1, the best on dev" in card


def test_a_training_that_brought_nothing_says_so(facts: CardFacts, tmp_path: Path) -> None:
    card = write(facts, tmp_path, best_epoch=0)
    assert "brought nothing on dev: these are its weights, unchanged" in card
    assert "| 0 |  | 0.2500 | yes |" in card


def test_settings_and_header_can_be_read_back(facts: CardFacts, tmp_path: Path) -> None:
    card = write(facts, tmp_path)
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "sentence-transformers"
    block = body.split("## Training\n")[1].split("```yaml\n")[1].split("```")[0]
    assert StaticTrainer.model_validate(yaml.safe_load(block)) == StaticTrainer(negatives=2)
    assert "prompt='q: '" in body
    assert "The loss is `infonce`" in body


def test_another_section_goes_to_the_end(facts: CardFacts, tmp_path: Path) -> None:
    write(facts, tmp_path)
    add_to_card(tmp_path, "Beyond", "More.")
    assert (tmp_path / "README.md").read_text().endswith("\n## Beyond\n\nMore.\n")


def test_the_card_is_no_part_of_a_model_s_identity(
    static_model: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    job = TrainingJob(tmp_path, device="cpu", trackers=())
    settings = StaticTrainer(epochs=1)
    folder = train(static_model, training_set, texts, settings, prompts={}, job=job).folder
    before = ModelFolder.open(folder).fingerprint()
    (folder / "README.md").unlink()
    assert ModelFolder.open(folder).fingerprint() == before
