from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pyrite.data import ScoreKind
from pyrite.errors import ModelError, SettingsError
from pyrite.models.question import QUESTION
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.yes_no import YesNoScorer
from pyrite.settings import parse_settings
from pyrite.testing import check_pair_scorer
from pyrite.testing.models import write_causal_model, write_cross_encoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts(), QUESTION]
PAIRS = [(query, text) for query in TINY.queries.texts()[:4] for text in TINY.corpus.texts()[:6]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_causal_model(tmp_path_factory.mktemp("causal"), TEXTS)


def scorer(folder: Path, **settings: Any) -> YesNoScorer:
    return YesNoScorer.load(YesNoSettings(model=str(folder), **settings), device="cpu")


def by_hand(folder: Path, text: str) -> float:
    """The difference of the two logits that follow a text, computed alone."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(**tokenizer([text], return_tensors="pt")).logits[0, -1]
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    return float(logits[yes] - logits[no])


def test_it_keeps_the_protocol(folder: Path) -> None:
    check_pair_scorer(scorer(folder))


def test_the_score_is_the_difference_of_two_logits(folder: Path) -> None:
    model = scorer(folder)
    scores = model.score(PAIRS)
    assert model.score_kind is ScoreKind.LOGIT
    assert np.ptp(scores) > 0.1
    expected = [by_hand(folder, QUESTION.replace("{query}", q).replace("{document}", d)) for q, d in PAIRS[::5]]
    assert np.allclose(scores[::5], expected, rtol=0, atol=1e-5)


def test_forms_of_an_answer_add_up(folder: Path) -> None:
    # Two forms of the same probability as one form twice: ln 2 more.
    tokenizer = AutoTokenizer.from_pretrained(folder)
    both = YesNoSettings(model=str(folder), yes=("yes", "gold"), no=("no",))
    with torch.inference_mode():
        network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        network.lm_head.weight[tokenizer.convert_tokens_to_ids("gold")] = network.lm_head.weight[
            tokenizer.convert_tokens_to_ids("yes")
        ]
        added = YesNoScorer(both, network, tokenizer).score(PAIRS)
        single = YesNoScorer(both.model_copy(update={"yes": ("yes",)}), network, tokenizer).score(PAIRS)
    assert np.allclose(added - single, np.log(2), atol=1e-6)


def test_batches_and_devices_change_nothing(folder: Path) -> None:
    settings = YesNoSettings(model=str(folder))
    one = YesNoScorer.load(settings, device="cpu", batch_tokens=1).score(PAIRS)
    many = YesNoScorer.load(settings, device="cpu,cpu", batch_tokens=400).score(PAIRS)
    assert np.allclose(one, many, rtol=0, atol=1e-5)


def test_a_long_document_is_cut_and_the_question_stays(folder: Path) -> None:
    query, document = "which mineral", "gold " * 300
    model = scorer(folder, max_length=64)
    questions = model._question.texts([(query, document)])
    assert questions[0].endswith("gold\n\nAnswer:")
    assert "Query: which mineral" in questions[0]
    assert len(AutoTokenizer.from_pretrained(folder)(questions[0])["input_ids"]) == 64
    shorter = "gold " * questions[0].count("gold")
    assert model.score([(query, document)]) == pytest.approx(model.score([(query, shorter)]), abs=1e-6)
    with pytest.raises(ModelError, match="leave no room for a document beside the question"):
        scorer(folder, max_length=20).score([(query, document)])


def test_the_template_may_turn_the_order_and_texts_may_hold_braces(folder: Path) -> None:
    model = scorer(folder, template="{document} answers {query} ?")
    assert model._question.texts([("a {document} b", "{query}")]) == ["{query} answers a {document} b ?"]
    with pytest.raises(SettingsError, match=r"wants \{query\} and \{document\} in it"):
        parse_settings(YesNoSettings, {"model": "x", "template": "{query} ?"}, "here")


def test_a_chat_template_is_used_where_there_is_one(folder: Path, tmp_path: Path) -> None:
    chat = write_causal_model(tmp_path / "chat", TEXTS, chat=True)
    template = "{query} : {document}"
    model = scorer(chat, template=template)
    assert model._question.texts([("gold", "pyrite")]) == ["<user> gold : pyrite <answer> "]
    assert model.score([("gold", "pyrite")]) == pytest.approx(by_hand(chat, "<user> gold : pyrite <answer>"), abs=1e-5)
    plain = scorer(chat, template=template, chat=False)
    assert plain._question.texts([("gold", "pyrite")]) == ["gold : pyrite"]
    assert plain.identity() != model.identity()
    with pytest.raises(ModelError, match="has no chat template"):
        scorer(folder, chat=True)


def test_answers_that_are_no_token_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"yes: none of \['certainly so'\] is one token"):
        scorer(folder, yes=("certainly so",))
    with pytest.raises(ModelError, match="stand for both"):
        scorer(folder, yes=("no", "yes"))


def test_what_is_asked_is_identity(folder: Path) -> None:
    base = scorer(folder).identity()
    others = [
        scorer(folder, template="{query} {document}"),
        scorer(folder, max_length=99),
        scorer(folder, no=("gold",)),
    ]
    assert all(other.identity() != base for other in others)
    assert scorer(folder).identity() == base


def test_faults_of_loading_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        scorer(tmp_path)
    with pytest.raises(ModelError, match="wants a revision"):
        scorer(Path("a/b"), trust_remote_code=True)


def test_a_model_without_a_language_head_is_refused(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "cross", TEXTS)
    with pytest.raises(ModelError, match="is no causal language model: its weights lack "):
        scorer(folder)


@pytest.mark.slow
def test_a_real_language_model_tells_relevant_from_random() -> None:
    folder = os.environ.get("PYRITE_SMOLLM2")
    if not folder:
        pytest.skip("needs SmolLM2-135M-Instruct; set PYRITE_SMOLLM2 to its Hugging Face folder")
    model = scorer(Path(folder), max_length=256)
    pairs = [
        (query.text, text)
        for query in list(TINY.queries.rows())[:6]
        for text in (TINY.corpus.texts()[0], TINY.corpus.texts()[-1])
    ]
    together = model.score(pairs)
    assert np.isfinite(together).all()
    assert np.allclose(together, np.concatenate([model.score([pair]) for pair in pairs]), atol=1e-3)
