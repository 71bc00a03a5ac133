"""What names a cache: hashes of a model's weights and of texts, fast enough to be taken on each call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from pyrite.errors import ArgumentError

__all__ = ["bytes_key", "key_of", "model_key", "model_key_meanwhile", "text_digests"]


def key_of(*parts: object) -> str:
    """Return a key of values that JSON can hold: 128 bits in hexadecimal."""
    return bytes_key(json.dumps(parts, sort_keys=True).encode())


def text_digests(texts: Sequence[str]) -> np.ndarray:
    """Return a hash of each text, 128 bits: uint64, shape (len(texts), 2).

    Raises:
        TypeError: One is no text.
        UnicodeEncodeError: One holds half of a surrogate pair.
    """
    from xxhash import xxh3_128_digest

    digests = b"".join(map(xxh3_128_digest, map(str.encode, texts)))
    return np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)


def bytes_key(content: bytes) -> str:
    """Return a key of bytes, such as the hashes of texts in order: 128 bits in hexadecimal."""
    import xxhash

    return str(xxhash.xxh3_128_hexdigest(content))


def model_key(model: Any) -> str:
    """Return a key of all that a sentence-transformers model's results depend on, prompts apart.

    Weights, the configuration of each module, the tokenizer, maximum length and precision count; the model's name
    does not. A model that was trained further has another key.

    Args:
        model: A `SentenceTransformer` or a `CrossEncoder`.

    Raises:
        ArgumentError: The model does not show its weights, as with an ONNX or OpenVINO backend.
    """
    import xxhash

    state = model.state_dict() if hasattr(model, "state_dict") else {}
    if not state:
        raise ArgumentError(
            f"cache_folder: a {type(model).__name__} without torch weights cannot be told from a retrained one; "
            "leave cache_folder out, or give the model with its torch backend"
        )
    digest = xxhash.xxh3_128()
    for name, tensor in sorted(state.items()):
        digest.update(f"\0{name}:{tuple(tensor.shape)}:{tensor.dtype}\0".encode())
        digest.update(_bytes_of(tensor))
    for name, module in model.named_modules():
        digest.update(f"\0{name}:{type(module).__module__}.{type(module).__qualname__}\0".encode())
        if hasattr(module, "get_config_dict"):
            digest.update(json.dumps(module.get_config_dict(), sort_keys=True, default=str).encode())
    for tokenizer in _tokenizers(model):
        digest.update(_described(tokenizer).encode())
    # `max_length` is what older cross-encoders call it.
    settings = [getattr(model, name, None) for name in ("max_seq_length", "max_length", "truncate_dim")]
    digest.update(repr(settings).encode())
    digest.update(repr([str(getattr(model, "activation_fn", None))]).encode())
    return str(digest.hexdigest())


@contextmanager
def model_key_meanwhile(model: Any) -> Iterator[Callable[[], str]]:
    """Take `model_key` in another thread; yield what waits for it and returns it, or raises its error.

    Most of it is hashing and writing out the tokenizer's rules, which leave the interpreter to others.
    """
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(model_key, model).result


def _bytes_of(tensor: Any) -> memoryview:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return memoryview(flat.numpy())


def _tokenizers(model: Any) -> Iterable[Any]:
    found = [getattr(module, "tokenizer", None) for module in [model, *model.children()]]
    distinct = {id(one): one for one in found if one is not None}
    return distinct.values()


def _described(tokenizer: Any) -> str:
    """Return a tokenizer as text: its rules where it is one of the fast kind, else its vocabulary."""
    fast = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(fast, "to_str"):
        return str(fast.to_str())
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    return type(tokenizer).__qualname__ + json.dumps(words, sort_keys=True)
