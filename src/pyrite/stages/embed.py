"""Encode a corpus, shard by shard, and only what no step before has encoded."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus
from pyrite.models.folder import ModelFolder
from pyrite.models.precision import Arithmetic
from pyrite.models.stored import open_encoder
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.dense.embeddings import join_shards, shard_ranges
from pyrite.search.dense.index import DenseIndex
from pyrite.search.dense.vector_folder import VectorFolder
from pyrite.stages.artifacts import DenseStore

__all__ = ["EmbedInputs", "EmbedOutputs", "EmbedSettings", "embed"]


class EmbedSettings(Arithmetic):
    """How to encode. Batch, shard size and device are resources, outside the key."""


@dataclass(frozen=True)
class EmbedInputs:
    """The documents and the encoder."""

    corpus: Corpus
    model: ModelFolder


@dataclass(frozen=True)
class EmbedOutputs:
    """The embeddings, with the encoder that made them, ready to be searched exactly."""

    index: DenseStore


@stage("embed", version=3)
def embed(settings: EmbedSettings, inputs: EmbedInputs, context: Context) -> EmbedOutputs:
    """Encode a corpus into vectors, shard by shard; texts that the store has vectors of are not encoded again."""
    resources = context.resources
    arithmetic = Arithmetic(precision=settings.precision, backend=settings.backend)
    encoder = open_encoder(
        inputs.model,
        device=resources.device,
        arithmetic=arithmetic,
        batch_size=resources.encode_batch_size,
    )
    corpus = inputs.corpus
    ranges = shard_ranges(len(corpus), resources.shard_size)
    vectors = VectorFolder(encoder, corpus, context.shared("vectors"))
    with context.progress("encode", len(corpus), "documents") as advance:
        shards = context.map_shards("embeddings", ranges, vectors.write, advance)
    embeddings = join_shards(encoder, corpus, shards)
    return EmbedOutputs(DenseStore(DenseIndex(embeddings, None), inputs.model, arithmetic))
