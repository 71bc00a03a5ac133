"""Readers and writers of the formats that the field uses: every fault of a file is listed with its line."""

from pyrite.data.formats.beir import EmptyDocuments, UnknownIds, read_beir, write_beir
from pyrite.data.formats.datasets import from_dataset, table_from_dataset, table_to_dataset, to_dataset
from pyrite.data.formats.examples import TrainingParts
from pyrite.data.formats.fitting import Written
from pyrite.data.formats.flagembedding import FlagEmbeddingLayout, read_flag_embedding, write_flag_embedding
from pyrite.data.formats.gpl import GplLayout
from pyrite.data.formats.hard_negatives import HardNegativesLayout
from pyrite.data.formats.ms_swift import MsSwiftLayout
from pyrite.data.formats.nemo import NemoLayout
from pyrite.data.formats.parts import KnownTexts
from pyrite.data.formats.pylate import PyLateLayout
from pyrite.data.formats.sentence_transformers import (
    SentenceTransformersLayout,
    read_sentence_transformers,
    write_sentence_transformers,
)
from pyrite.data.formats.tevatron import TevatronLayout
from pyrite.data.formats.texts import read_corpus, read_queries
from pyrite.data.formats.training import (
    Format,
    TrainingLayout,
    guess_format,
    read_training_set,
    write_training_set,
)
from pyrite.data.formats.trec import read_qrels, read_run, write_qrels, write_run

__all__ = [
    "EmptyDocuments",
    "FlagEmbeddingLayout",
    "Format",
    "GplLayout",
    "HardNegativesLayout",
    "KnownTexts",
    "MsSwiftLayout",
    "NemoLayout",
    "PyLateLayout",
    "SentenceTransformersLayout",
    "TevatronLayout",
    "TrainingLayout",
    "TrainingParts",
    "UnknownIds",
    "Written",
    "from_dataset",
    "guess_format",
    "read_beir",
    "read_corpus",
    "read_flag_embedding",
    "read_qrels",
    "read_queries",
    "read_run",
    "read_sentence_transformers",
    "read_training_set",
    "table_from_dataset",
    "table_to_dataset",
    "to_dataset",
    "write_beir",
    "write_flag_embedding",
    "write_qrels",
    "write_run",
    "write_sentence_transformers",
    "write_training_set",
]
