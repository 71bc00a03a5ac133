"""Static embeddings encoded from tokens that are made once, for measuring many checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import Role
from pyrite.models.settings import Prompts
from pyrite.settings import Json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["StaticEncoder", "TokenCache"]


class TokenCache:
    """Remembers the tokens of lists of texts, as flat ids and offsets.

    Args:
        tokenizer: A fast tokenizer; padding and truncation are switched off.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return (ids, offsets): int64, shapes (tokens,) and (len(texts),)."""
        key = hash(tuple(texts))
        if key not in self._kept:
            encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
            lengths = np.array([len(one.ids) for one in encoded], dtype=np.int64)
            ids = np.concatenate([np.asarray(one.ids, dtype=np.int64) for one in encoded])
            self._kept[key] = ids, np.cumsum(lengths) - lengths
        return self._kept[key]


class StaticEncoder:
    """An `Encoder` over the token vectors of a static embedding, equal to `SentenceEncoder` on it.

    Args:
        folder: A sentence-transformers folder with a static embedding.
        cache: Tokens of an earlier checkpoint with the same tokenizer; a new one where None.
        prompts: What stands in front of queries and documents.

    Raises:
        ModelError: The folder holds no static embedding.
    """

    def __init__(self, folder: Path, cache: TokenCache | None = None, prompts: Prompts | None = None) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        files = sorted(folder.rglob("model.safetensors"))
        tensors = load_file(files[0]) if len(files) == 1 else {}
        if set(tensors) != {"embedding.weight"}:
            raise ModelError(f"{folder}: holds no static embedding")
        self._folder = folder
        self._weights = tensors["embedding.weight"].float()
        self.prompts = prompts or Prompts()
        self.cache = cache or TokenCache(Tokenizer.from_file(str(files[0].with_name("tokenizer.json"))))

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self._weights.shape[1])

    @property
    def score_kind(self) -> ScoreKind:
        """Cosines."""
        return ScoreKind.COSINE

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        import torch
        from torch.nn.functional import embedding_bag, normalize

        prompt = self.prompts.query if role == "query" else self.prompts.document
        ids, offsets = self.cache.tokens([prompt + text for text in texts] if prompt else texts)
        with torch.inference_mode():
            bags = embedding_bag(torch.from_numpy(ids), self._weights, torch.from_numpy(offsets), mode="mean")
            vectors: np.ndarray = normalize(bags).numpy()
        return vectors

    def identity(self) -> Json:
        """Return the weights and the prompts."""
        return {"weights": ModelFolder(self._folder).fingerprint(), "prompts": self.prompts.identity()}
