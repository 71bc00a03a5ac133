"""Model folders small enough for tests: made in a moment, from no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["word_tokenizer", "write_static_model"]


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
