"""Encoders of the E5, BGE and GTE kind, as small copies with random weights: brought in, trained, loaded elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from pyrite.data import Judgment, Qrels, TrainingSet
from pyrite.errors import ModelError
from pyrite.eval import evaluate_index
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.settings import SentenceTransformerSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.search import DenseRetriever
from pyrite.testing.models import word_tokenizer
from pyrite.train import LoraSettings, TrainingJob, TrainingResult, TrainingTexts, TransformerTrainer, train

from .conftest import WORDS

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
E5 = {"query": "query: ", "document": "passage: "}
BGE = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}
NONE = {"query": "", "document": ""}

# Family: architecture, pooling, whether a module scales to unit length, prompts.
FAMILIES: dict[str, tuple[Any, str, bool, dict[str, str]]] = {
    "e5-small": ((BertModel, BertConfig), "mean", True, E5),
    "multilingual-e5-small": ((XLMRobertaModel, XLMRobertaConfig), "mean", True, E5),
    "bge-small": ((BertModel, BertConfig), "cls", True, BGE),
    "gte-small": ((BertModel, BertConfig), "mean", True, NONE),
}

# Stands for the code that GTE of the later generation comes with: a model that transformers has not.
CONFIGURATION = """
from transformers import PretrainedConfig


class NewConfig(PretrainedConfig):
    model_type = "new"

    def __init__(self, vocab_size=64, hidden_size=16, **others):
        super().__init__(**others)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
"""
MODELLING = """
import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .configuration import NewConfig


class NewModel(PreTrainedModel):
    config_class = NewConfig

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.mix = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.post_init()

    def _init_weights(self, module):
        if hasattr(module, "weight"):
            module.weight.data.normal_(std=0.5)

    def forward(self, input_ids, attention_mask=None, **_):
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        tokens = self.embeddings(input_ids) * mask[..., None]
        seen = tokens.sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        return BaseModelOutput(last_hidden_state=self.mix(tokens + seen))
"""


def save_tokenizer(folder: Path) -> int:
    from tokenizers.processors import TemplateProcessing

    tokenizer = word_tokenizer([*WORDS, *E5.values(), BGE["query"]], SPECIAL)
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names)
    words.save_pretrained(folder)
    return len(words)


def make(family: str, folder: Path) -> Path:
    """Write a copy of a family's configuration as its authors publish it, prompts left out."""
    (architecture, configuration), pooling, scales, _ = FAMILIES[family]
    source = folder.parent / f"{family}-source"
    size = save_tokenizer(source)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        architecture(configuration(vocab_size=size, pad_token_id=0, **SIZES)).save_pretrained(source)
    modules = [Transformer(str(source)), Pooling(16, pooling), *([Normalize()] if scales else [])]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="module")
def later_gte(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model whose code lies in its folder: vectors of the first token, not scaled, as GTE v1.5 has it."""
    from transformers import dynamic_module_utils

    root = tmp_path_factory.mktemp("later-gte")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(root / "modules"))
        patch.syspath_prepend(str(root / "modules"))
        source = root / "source"
        size = save_tokenizer(source)
        (source / "configuration.py").write_text(CONFIGURATION)
        (source / "modeling.py").write_text(MODELLING)
        names = {"AutoConfig": "configuration.NewConfig", "AutoModel": "modeling.NewModel"}
        config = {"model_type": "new", "architectures": ["NewModel"], "auto_map": names, "vocab_size": size}
        (source / "config.json").write_text(json.dumps({**config, "hidden_size": 16, "dtype": "float32"}))
        options: dict[str, Any] = {"trust_remote_code": True}
        from transformers import AutoConfig

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            made = AutoModel.from_config(AutoConfig.from_pretrained(source, **options), **options)
        made.save_pretrained(source)
        modules = [
            Transformer(str(source), model_kwargs=options, processor_kwargs=options, config_kwargs=options),
            Pooling(16, "cls"),
        ]
        folder = root / "model"
        SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
        yield folder


def trained(
    model: Path, training_set: TrainingSet, texts: TrainingTexts, workdir: Path, lora: LoraSettings | None = None
) -> TrainingResult:
    settings = TransformerTrainer(batch_size=8, epochs=1, learning_rate=1e-2, lora=lora)
    prompts = read_prompts(model).model_dump()
    return train(model, training_set, texts, settings, prompts=prompts, job=TrainingJob(workdir, device="cpu"))


def plain_ndcg(model: SentenceTransformer, texts: TrainingTexts) -> float:
    """The mean nDCG@10 of plain sentence-transformers' cosines: document i is the one that answers query i."""
    queries = model.encode(texts.queries.texts(), prompt_name="query", normalize_embeddings=True)
    documents = model.encode(texts.corpus.texts(), prompt_name="document", normalize_embeddings=True)
    scores = queries @ documents.T
    ranks = 1 + (scores > scores.diagonal()[:, None]).sum(axis=1)
    return float(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean())


def own_ndcg(folder: Path, texts: TrainingTexts) -> float:
    index = DenseRetriever(open_encoder(ModelFolder.open(folder), device="cpu")).build(texts.corpus)
    qrels = Qrels.from_rows(Judgment(f"q{i}", f"d{i}", 1) for i in range(len(texts.corpus)))
    _, scores = evaluate_index(index, texts.queries, qrels, ["nDCG@10"], depth=10)
    return scores.means()["nDCG@10"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_kept_as_it_is(
    family: str, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    _, pooling, scales, prompts = FAMILIES[family]
    source = make(family, tmp_path / family)
    given = prompts if prompts is BGE else "auto"
    settings = SentenceTransformerSettings.model_validate({"model": str(source), "prompts": given})
    start = bring_encoder(settings, tmp_path / "start")
    result = trained(start.path, training_set, texts, tmp_path / "training")
    for folder in (start.path, result.folder):
        model = SentenceTransformer(str(folder), device="cpu")
        assert {name: model.prompts[name] for name in ("query", "document")} == prompts
        assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", *["Normalize"] * scales]
        assert model[1].pooling_mode == pooling
        assert plain_ndcg(model, texts) == pytest.approx(own_ndcg(folder, texts), abs=1e-9)
    assert own_ndcg(result.folder, texts) != own_ndcg(start.path, texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_follow_from_prompt_and_pooling(family: str, tmp_path: Path) -> None:
    _, pooling, _, prompts = FAMILIES[family]
    source = make(family, tmp_path / family)
    given = SentenceTransformerSettings.model_validate({"model": str(source), "prompts": prompts})
    encoder = open_encoder(bring_encoder(given, tmp_path / "model"), device="cpu")
    network, tokenizer = AutoModel.from_pretrained(source).eval(), PreTrainedTokenizerFast.from_pretrained(source)
    for role in ("query", "document"):
        found = encoder.encode(["w1 w2 w3", "w4"], role)
        for text, vector in zip(["w1 w2 w3", "w4"], found, strict=True):
            with torch.inference_mode():
                states = network(**tokenizer([prompts[role] + text], return_tensors="pt")).last_hidden_state[0]
            pooled = states[0] if pooling == "cls" else states.mean(dim=0)
            assert np.allclose(vector, (pooled / pooled.norm()).numpy(), rtol=0, atol=1e-5)


def test_code_that_comes_with_a_model_runs_on_request_alone(later_gte: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="trust_remote_code"):
        bring_encoder(SentenceTransformerSettings(model=str(later_gte)), tmp_path / "refused")
    with pytest.raises(ModelError, match="trust_remote_code wants a revision"):
        bring_encoder(SentenceTransformerSettings(model="owner/gte", trust_remote_code=True), tmp_path / "refused")


def test_the_later_gte_is_brought_in_trained_and_loaded_elsewhere(
    later_gte: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    settings = SentenceTransformerSettings(model=str(later_gte), trust_remote_code=True)
    start = bring_encoder(settings, tmp_path / "start")
    result = trained(start.path, training_set, texts, tmp_path / "training")
    for folder in (start.path, result.folder):
        assert sorted(file.name for file in folder.glob("*.py")) == ["configuration.py", "modeling.py"]
        model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
        assert model[1].pooling_mode == "cls"
        assert plain_ndcg(model, texts) == pytest.approx(own_ndcg(folder, texts), abs=1e-9)
    assert own_ndcg(result.folder, texts) != own_ndcg(start.path, texts)


def test_the_later_gte_takes_adapters(
    later_gte: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    settings = SentenceTransformerSettings(model=str(later_gte), trust_remote_code=True)
    start = bring_encoder(settings, tmp_path / "start")
    folder = trained(start.path, training_set, texts, tmp_path / "training", LoraSettings(rank=4)).folder
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    assert plain_ndcg(model, texts) == pytest.approx(own_ndcg(folder, texts), abs=1e-9)


def test_code_that_changed_since_it_was_allowed_is_refused(later_gte: Path, tmp_path: Path) -> None:
    settings = SentenceTransformerSettings(model=str(later_gte), trust_remote_code=True)
    start = bring_encoder(settings, tmp_path / "start")
    before = start.fingerprint()
    shutil.copytree(start.path, tmp_path / "copy")
    open_encoder(ModelFolder.open(tmp_path / "copy"), device="cpu")
    code = tmp_path / "copy/modeling.py"
    code.write_text(code.read_text() + "\nraise RuntimeError('it ran')\n")
    changed = ModelFolder.open(tmp_path / "copy")
    assert changed.fingerprint() != before
    with pytest.raises(ModelError, match="trust_remote_code") as error:
        open_encoder(changed, device="cpu")
    assert "it ran" not in str(error.value)
