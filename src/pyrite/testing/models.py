"""Model folders small enough for tests: made in a moment, from no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "word_tokenizer",
    "write_causal_model",
    "write_cross_encoder",
    "write_static_model",
    "write_transformer_model",
]

_CHAT = "{% for message in messages %}<user> {{ message['content'] }} <answer> {% endfor %}"


def word_tokenizer(texts: Iterable[str], special: Sequence[str] = ("[UNK]",)) -> Tokenizer:
    """Return a tokenizer that knows the words of some texts, in any case, in the order of their first appearance.

    Args:
        texts: The texts.
        special: Tokens that come before the words; `[UNK]`, for all other words, is among them.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    cut = pre_tokenizers.Whitespace()
    words = [word for text in texts for word, _ in cut.pre_tokenize_str(text.lower())]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*special, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = cut
    return tokenizer


def write_static_model(folder: Path, texts: Iterable[str], dimension: int = 12, seed: int = 0) -> Path:
    """Write a static encoder that gives each word of some texts a random vector.

    Texts that share words are near each other, so that it ranks better than chance and can be trained.

    Args:
        folder: Where `SentenceTransformer(folder)` will find it; made where missing.
        texts: The texts whose words it knows.
        dimension: Components of a vector.
        seed: Decides the vectors.

    Returns:
        The folder.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = word_tokenizer(texts)
    shape = (tokenizer.get_vocab_size(), dimension)
    weights = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def write_transformer_model(folder: Path, texts: Iterable[str], dropout: float = 0.1, seed: int = 0) -> Path:
    """Write a BERT of 2 layers and 16 dimensions with random weights, that knows the words of some texts.

    Args:
        folder: Where `SentenceTransformer(folder)` will find it; made where missing.
        texts: The texts whose words it knows.
        dropout: The share of values that training sets to 0; with 0 it draws nothing at random.
        seed: Decides the weights.

    Returns:
        The folder.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = word_tokenizer(texts, ("[PAD]", "[UNK]"))
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        # With the usual 0.02, a model that was never trained gives all texts nearly the same vector.
        initializer_range=0.3,
    )
    with TemporaryDirectory() as source, torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(source)
        words = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")  # type: ignore[no-untyped-call]
        words.save_pretrained(source)
        model = SentenceTransformer(modules=[Transformer(source), Pooling(16)], device="cpu")
        model.save_pretrained(str(folder), create_model_card=False)
    return folder


def write_cross_encoder(
    folder: Path, texts: Iterable[str], labels: int = 1, seed: int = 0, dropout: float = 0.1
) -> Path:
    """Write a cross-encoder of 2 layers and 16 dimensions with random weights, that knows the words of some texts.

    Args:
        folder: Where `CrossEncoder(folder)` will find it; made where missing.
        texts: The texts whose words it knows.
        labels: Its outputs.
        seed: Decides the weights.
        dropout: The share of values that training sets to 0.

    Returns:
        The folder.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = word_tokenizer(texts, ("[PAD]", "[UNK]", "[CLS]", "[SEP]"))
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    config.num_labels = labels
    with TemporaryDirectory() as source, torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        BertForSequenceClassification(config).save_pretrained(source)
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        words = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)  # type: ignore[no-untyped-call]
        words.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
        words.save_pretrained(source)
        CrossEncoder(source, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def write_causal_model(folder: Path, texts: Iterable[str], *, chat: bool = False, seed: int = 0) -> Path:
    """Write a Llama of 2 layers and 16 dimensions with random weights, that knows yes, no and the words of some texts.

    Args:
        folder: Where transformers' `AutoModelForCausalLM` will find it, with its tokenizer; made where missing.
        texts: The texts whose words it knows.
        chat: Whether the tokenizer has a chat template.
        seed: Decides the weights.

    Returns:
        The folder.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = word_tokenizer(texts, ("[PAD]", "[UNK]", "yes", "no", "<user>", "<answer>", "<end>"))
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        max_position_embeddings=256,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "<end>"}
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]
    words.chat_template = _CHAT if chat else None
    words.save_pretrained(folder)
    return folder
