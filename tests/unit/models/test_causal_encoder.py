"""A causal language model as an encoder: the last token's vector, whatever stands beside it in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from pyrite.errors import ModelError, SettingsError
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import instruction_prompts, read_prompts
from pyrite.models.settings import CausalLMSettings, FewShot
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.settings import parse_settings
from pyrite.stages.model import ModelSettings
from pyrite.testing import check_encoder
from pyrite.testing.models import write_causal_model, write_transformer_model

TASK = "find the stone"
WORDS = [f"w{i}" for i in range(30)]
KNOWN = [*WORDS, "Examples : Passage : Instruct : Query :", TASK]
TEXTS = ["w1", "w2 w3 w4 w5 w6 w7", "w3 w4", " ".join(WORDS)]


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_causal_model(tmp_path_factory.mktemp("causal"), KNOWN, chat=True)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    """A model with absolute positions."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = AutoTokenizer.from_pretrained(language_model)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "initializer_range": 0.3}
        GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(language_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(language_model, tmp_path_factory.mktemp("encoder") / "model")


def make(model: Path, folder: Path, **settings: Any) -> Path:
    given = {"task": TASK, "max_length": 24, **settings}
    return bring_encoder(CausalLMSettings(model=str(model), **given), folder).path


def plain(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def by_hand(language_model: Path, text: str) -> np.ndarray:
    """The last state of the bare model on a text alone and the token for the end behind it, at unit length."""
    model, tokenizer = AutoModel.from_pretrained(language_model), AutoTokenizer.from_pretrained(language_model)
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"][:23]
    tokens.append(tokenizer.eos_token_id)
    with torch.inference_mode():
        state = model.eval()(input_ids=torch.tensor([tokens])).last_hidden_state[0, -1]
    return (state / state.norm()).numpy()


def test_a_vector_is_the_last_tokens(language_model: Path, encoder: Path) -> None:
    model = plain(encoder)
    prompt = f"Instruct: {TASK}\nQuery: "
    queries, documents = (model.encode(TEXTS, prompt_name=name) for name in ("query", "document"))
    for text, query, document in zip(TEXTS, queries, documents, strict=True):
        assert np.allclose(query, by_hand(language_model, prompt + text), rtol=0, atol=1e-5)
        assert np.allclose(document, by_hand(language_model, text), rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_on_either_side_changes_nothing(encoder: Path, side: str) -> None:
    model = plain(encoder)
    assert model.tokenizer.padding_side == "right"
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    model.tokenizer.padding_side = side
    assert np.allclose(model.encode(TEXTS), alone, rtol=0, atol=1e-5)


def test_padding_changes_nothing_where_positions_are_absolute(gpt2: Path, tmp_path: Path) -> None:
    model = plain(make(gpt2, tmp_path / "model"))
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    assert np.allclose(model.encode(TEXTS), alone, rtol=0, atol=1e-5)
    model.tokenizer.padding_side = "left"
    assert not np.allclose(model.encode(TEXTS), alone, rtol=0, atol=1e-2)


def test_pyrite_and_sentence_transformers_agree(encoder: Path) -> None:
    own = open_encoder(ModelFolder.open(encoder), device="cpu")
    check_encoder(own)
    for role in ("query", "document"):
        expected = plain(encoder).encode(TEXTS, prompt_name=role)
        assert np.allclose(own.encode(TEXTS, role), expected, rtol=0, atol=1e-5)


def test_every_text_ends_with_the_token_for_it(encoder: Path) -> None:
    tokenizer = plain(encoder).tokenizer
    end = tokenizer.convert_tokens_to_ids("<end>")
    for text, length in (("", 1), ("w1", 2), (" ".join(WORDS), 24)):
        tokens = tokenizer(text, truncation=True)["input_ids"]
        assert len(tokens) == length
        assert tokens.count(end) == 1
        assert tokens[-1] == end


def test_a_tokenizer_that_ends_texts_itself_is_left_so(encoder: Path, tmp_path: Path) -> None:
    again = make(encoder, tmp_path / "again")
    assert plain(again).tokenizer("w1")["input_ids"] == plain(encoder).tokenizer("w1")["input_ids"]


def test_examples_stand_before_the_instruction(language_model: Path, tmp_path: Path) -> None:
    examples = [FewShot(query="w1", document="w2"), FewShot(query="w3", document="w4")]
    folder = make(language_model, tmp_path / "model", examples=examples, max_length=40)
    expected = "Examples:\nQuery: w1\nPassage: w2\n\nQuery: w3\nPassage: w4\n\n" + f"Instruct: {TASK}\nQuery: "
    assert read_prompts(folder).model_dump() == {"query": expected, "document": ""}
    assert instruction_prompts("").query == ""


def test_the_prompt_must_leave_room(language_model: Path, tmp_path: Path) -> None:
    # Instruct : find the stone Query : and the end: 8 tokens.
    with pytest.raises(
        ModelError, match=r"take 8 of 8 tokens, and leave no room for a query; give a larger max_length"
    ):
        make(language_model, tmp_path / "model", max_length=8)
    make(language_model, tmp_path / "model", max_length=9)


def test_weights_are_kept_in_16_bits_where_asked(language_model: Path, encoder: Path, tmp_path: Path) -> None:
    folder = make(language_model, tmp_path / "model", precision="bf16")
    assert 2 * size(folder) < 1.1 * size(encoder)
    vectors = open_encoder(ModelFolder.open(folder), device="cpu").encode(TEXTS, "document")
    expected = open_encoder(ModelFolder.open(encoder), device="cpu").encode(TEXTS, "document")
    assert 0 < np.abs(vectors - expected).max() < 0.1


def size(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    bert = write_transformer_model(tmp_path / "bert", WORDS)
    with pytest.raises(ModelError, match=r"its tokens see those behind them.*take type: sentence-transformers"):
        make(bert, tmp_path / "model")


def test_missing_weights_are_refused(language_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    ModelFolder(language_model).save(tmp_path / "damaged")
    tensors = load_file(language_model / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    (tmp_path / "damaged/model.safetensors").unlink()
    save_file(tensors, tmp_path / "damaged/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"its weights lack layers\.1\.mlp\.up_proj\.weight"):
        make(tmp_path / "damaged", tmp_path / "model")


def test_a_tokenizer_without_an_end_is_refused(language_model: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language_model)
    ModelFolder(language_model).save(tmp_path / "endless")
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "endless")
    with pytest.raises(ModelError, match="no token for the end of a text"):
        make(tmp_path / "endless", tmp_path / "model")


def test_what_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        make(tmp_path, tmp_path / "model")
    with pytest.raises(ModelError, match="trust_remote_code wants a revision"):
        bring_encoder(CausalLMSettings(model="some/model", trust_remote_code=True), tmp_path / "model")


def test_examples_want_a_task() -> None:
    encoder = {"type": "causal-lm", "model": "a/b", "task": "", "examples": [{"query": "a", "document": "b"}]}
    with pytest.raises(SettingsError, match="examples want a task"):
        parse_settings(ModelSettings, {"encoder": encoder}, "model")


def test_nothing_is_written_to_the_terminal(
    language_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    bring_encoder(CausalLMSettings(model=str(language_model)), tmp_path / "model")
    assert "LOAD REPORT" not in capfd.readouterr().err


def test_the_content_of_a_folder_is_its_identity(language_model: Path, tmp_path: Path) -> None:
    ModelFolder(language_model).save(tmp_path / "copy")
    one, two = (CausalLMSettings(model=str(folder)).identity() for folder in (language_model, tmp_path / "copy"))
    assert one == two
    assert one != CausalLMSettings(model=str(language_model), task="another").identity()
