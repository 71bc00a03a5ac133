"""Readers and writers of the formats that the field uses: every fault of a file is listed with its line."""

from pyrite.data.formats.beir import EmptyDocuments, UnknownIds, read_beir, write_beir
from pyrite.data.formats.datasets import from_dataset, table_from_dataset, table_to_dataset, to_dataset
from pyrite.data.formats.examples import TrainingParts, Written
from pyrite.data.formats.flagembedding import FlagEmbeddingLayout, read_flag_embedding, write_flag_embedding
from pyrite.data.formats.sentence_transformers import (
    SentenceTransformersLayout,
    read_sentence_transformers,
    write_sentence_transformers,
)
from pyrite.data.formats.trec import read_qrels, read_run, write_qrels, write_run

__all__ = [
    "EmptyDocuments",
    "FlagEmbeddingLayout",
    "SentenceTransformersLayout",
    "TrainingParts",
    "UnknownIds",
    "Written",
    "from_dataset",
    "read_beir",
    "read_flag_embedding",
    "read_qrels",
    "read_run",
    "read_sentence_transformers",
    "table_from_dataset",
    "table_to_dataset",
    "to_dataset",
    "write_beir",
    "write_flag_embedding",
    "write_qrels",
    "write_run",
    "write_sentence_transformers",
]
