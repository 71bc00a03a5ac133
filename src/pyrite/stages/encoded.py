"""What the stages that score negatives share: the embeddings of the documents in question."""

from __future__ import annotations

from pyrite.errors import StageError
from pyrite.models.folder import ModelFolder
from pyrite.models.stored import open_encoder
from pyrite.pipeline.context import Context
from pyrite.recipes.score import EncodedTexts, JudgedPairs, NamedSets, Texts
from pyrite.search.dense.embeddings import encode_corpus
from pyrite.stages.artifacts import DenseStore

__all__ = ["encoded_texts", "judged_by_encoder", "one_encoder"]


def one_encoder(index: DenseStore | None, model: ModelFolder | None, stage: str) -> DenseStore | ModelFolder:
    """Return the one that is given.

    Raises:
        StageError: Both are, or none.
    """
    if index is not None and model is None:
        return index
    if model is not None and index is None:
        return model
    raise StageError(f"{stage} wants either `index` or `model` among its inputs: which encoder scores?")


def encoded_texts(
    given: DenseStore | ModelFolder, name: str, sets: NamedSets, texts: Texts, context: Context
) -> EncodedTexts:
    """Return embeddings: those that there are, or of the documents of the sets, encoded where no step before has.

    Args:
        given: The index of a corpus, or an encoder.
        name: What is encoded, for the folder and for people.
        sets: Whose documents.
        texts: What ids stand for.
        context: The step's.
    """
    resources = context.resources
    if isinstance(given, DenseStore):
        index = given.ready(resources)
        return EncodedTexts(index.embeddings, index.encoder)
    encoder = open_encoder(given, device=resources.device, batch_size=resources.encode_batch_size)
    corpus = texts.corpus.select(sets.doc_ids.to_pylist())
    with context.progress(f"encode {name}", len(corpus), "documents") as advance:
        embeddings = encode_corpus(
            encoder,
            corpus,
            context.workdir / name,
            shared=context.shared("vectors"),
            shard_size=resources.shard_size,
            advance=advance,
        )
    return EncodedTexts(embeddings, encoder)


def judged_by_encoder(
    given: DenseStore | ModelFolder, name: str, sets: NamedSets, texts: Texts, context: Context
) -> JudgedPairs:
    """Return the cosines of all pairs of sets by another encoder; arguments as in `encoded_texts`."""
    encoded = encoded_texts(given, "judge", sets, texts, context)
    return JudgedPairs.of_cosines(name, sets, encoded.vectors(sets, texts).cosines(*sets.pairs()))
