"""Tiny models and a tiny collection: training takes a fraction of a second, and nothing comes from the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.train import TrainingTexts

WORDS = [f"w{i}" for i in range(50)]


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StaticEmbedding of 51 words in 8 dimensions, drawn at random."""
    return write_static_model(tmp_path_factory.mktemp("static") / "model", WORDS, dimension=8)


@pytest.fixture(scope="session")
def transformer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers and 16 dimensions with random weights and dropout."""
    return write_transformer_model(tmp_path_factory.mktemp("bert") / "model", WORDS)


@pytest.fixture(scope="session")
def texts() -> TrainingTexts:
    """40 documents of 8 words, and 40 queries of 4 words of which 3 stand in the document of the same number."""
    draw = np.random.default_rng(1)
    documents, queries = [], []
    for i in range(40):
        words = [f"w{j}" for j in draw.integers(0, len(WORDS), 8)]
        documents.append(Document(f"d{i}", " ".join(words)))
        queries.append(Query(f"q{i}", " ".join([*words[:3], f"w{draw.integers(0, len(WORDS))}"])))
    return TrainingTexts(Corpus.from_rows(documents), Queries.from_rows(queries))


@pytest.fixture(scope="session")
def training_set() -> TrainingSet:
    """A group for each query: two mined negatives, one for every third."""
    return TrainingSet.from_rows(
        TrainingGroup(f"q{i}", (f"d{i}",), tuple(f"d{(i + 1 + j) % 40}" for j in range(1 if i % 3 == 0 else 2)))
        for i in range(40)
    )


@pytest.fixture(scope="session")
def weights() -> Callable[[Path], dict[str, np.ndarray]]:
    """Read the tensors of a model folder."""
    from safetensors.numpy import load_file

    return lambda folder: load_file(folder / "model.safetensors")


@pytest.fixture(scope="package", autouse=True)
def _few_threads() -> Iterator[None]:
    """More threads than the tiny models have work for only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
