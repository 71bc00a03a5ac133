"""Encoding with a transformer, faster than by the library's own loop: the same modules, fed better.

Each batch holds texts of like length and as many as a budget of tokens allows, where the library cuts by the number of
texts; a batch without padding needs no mask. Texts are tokenised once, before they are sorted, so that the order is by
tokens and not by characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.models.token_batches import Tokens, cut_batches

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

__all__ = ["encode_texts", "is_plain"]

_COLUMNS = {"input_ids", "attention_mask", "token_type_ids"}
# So many texts are tokenised, and their vectors kept on the device, before the next ones.
_TEXTS_AT_ONCE = 16_384
# What a text is taken to hold where the model could read more: else a batch of a long-context model would be vast.
_TYPICAL_LENGTH = 512
# More tokens at once make a CPU no faster: its caches hold none of them.
_CPU_TOKENS = 2_048
# Matrices of half precision want widths of 8 on a GPU.
_GPU_MULTIPLE = 8


def encode_texts(
    model: SentenceTransformer, texts: Sequence[str], prompt: str, batch_size: int, *, in_threads: bool = False
) -> np.ndarray | None:
    """Return unit vectors by the modules of a model, or None where the model wants the library's own loop.

    Args:
        model: The model.
        texts: At least one.
        prompt: What is written in front of each.
        batch_size: How many texts of the model's maximum length, 512 tokens at most, a batch may hold; as many more
            as are shorter.
        in_threads: Whether batches may run side by side, one to a thread, as torch's modules on a CPU can.

    Returns:
        float32, shape (len(texts), dimension), or None.
    """
    if not is_plain(model):
        return None
    blocks = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        given = _tokenise(model, texts[start : start + _TEXTS_AT_ONCE], prompt)
        if given is None:
            return None
        blocks.append(_encode_block(model, *given, batch_size, in_threads=in_threads))
    return np.concatenate(blocks)


def is_plain(model: SentenceTransformer) -> bool:
    """Say whether the first module is a transformer over tokens that the library pads as we do."""
    from sentence_transformers.base.modules import Transformer

    first: Any = model[0]
    return (
        type(first) is Transformer
        and "text" in first.modality_config
        and "message" not in first.modality_config
        and getattr(first.tokenizer, "is_fast", False)
        and first.tokenizer.pad_token_id is not None
        and not first.processing_kwargs
    )


def _tokenise(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> tuple[Tokens, dict[str, Any]] | None:
    """Return the tokens and what else the modules want, or None where there is a column that we cannot pad."""
    unpadded = {"text": {"padding": False}, "common": {"return_tensors": None}}
    given: Mapping[str, Any] = model.preprocess(list(texts), prompt=prompt or None, processing_kwargs=unpadded)
    columns = {name: rows for name, rows in given.items() if isinstance(rows, list)}
    if "input_ids" not in columns or not set(columns) <= _COLUMNS:
        return None
    return Tokens.of(columns), {name: value for name, value in given.items() if name not in columns}


def _encode_block(
    model: SentenceTransformer, tokens: Tokens, others: dict[str, Any], batch_size: int, *, in_threads: bool
) -> np.ndarray:
    import torch

    model.eval()
    on_cpu = model.device.type == "cpu"
    lengths = tokens.lengths
    batches = cut_batches(lengths, _budget(model, batch_size), 1 if on_cpu else _GPU_MULTIPLE)

    def forward(batch: np.ndarray) -> Tensor:
        return _forward(model, tokens, others, batch, _width(model, int(lengths[batch[0]])))

    size = torch.get_num_threads()
    if in_threads and 1 < size <= len(batches):
        vectors = _side_by_side(forward, batches, size)
    else:
        vectors = [forward(batch) for batch in batches]
    # One copy to the CPU at the end: each would wait for the device.
    together: np.ndarray = torch.cat(vectors).to("cpu").numpy()
    block = np.empty_like(together)
    block[np.concatenate(batches)] = together
    return block


def _side_by_side(forward: Callable[[np.ndarray], Tensor], batches: list[np.ndarray], size: int) -> list[Tensor]:
    """Compute each batch in one thread: threads within a batch would wait for each other after every operation."""
    from concurrent.futures import ThreadPoolExecutor

    import torch
    from threadpoolctl import ThreadpoolController

    def start() -> None:
        # A thread's first question sets its number of threads, which must not happen later.
        torch.get_num_threads()
        pools.limit(limits=1, user_api="openmp")

    pools = ThreadpoolController()
    with ThreadPoolExecutor(size, initializer=start) as pool:
        return list(pool.map(forward, batches))


def _budget(model: SentenceTransformer, batch_size: int) -> int:
    tokens = batch_size * min(model.max_seq_length or _TYPICAL_LENGTH, _TYPICAL_LENGTH)
    return min(tokens, _CPU_TOKENS) if model.device.type == "cpu" else tokens


def _width(model: SentenceTransformer, longest: int) -> int:
    """Return the columns of a batch: rounded up on a GPU, unless the model has no position for those."""
    if longest == 0 or model.device.type == "cpu":
        return max(longest, 1)
    rounded = -(-longest // _GPU_MULTIPLE) * _GPU_MULTIPLE
    return rounded if rounded <= (model.max_seq_length or rounded) else longest


def _forward(
    model: SentenceTransformer, tokens: Tokens, others: dict[str, Any], batch: np.ndarray, width: int
) -> Tensor:
    """Return the unit vectors of one batch, float32, on the device."""
    import torch

    tokenizer = model.tokenizer
    fills = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    matrices = tokens.padded(batch, width, fills, left=tokenizer.padding_side == "left")
    if tokens.lengths[batch].min() == width:
        matrices.pop("attention_mask", None)
    features = {name: torch.from_numpy(matrix).to(model.device) for name, matrix in matrices.items()}
    with torch.inference_mode():
        vectors: Tensor = model({**features, **others})["sentence_embedding"]
        return torch.nn.functional.normalize(vectors.float(), dim=1)
