"""What the trained cross-encoder adds to BM25 on MedQuAD's test queries.

BM25's top 50 of each query are scored by the model that `make cross-encoder` trained, and ordered anew. The measure is
nDCG@10, the test the paired randomisation test. Queries are drawn by a seed, so that a sample stays the same.

Run with `python -m studies.rescored_medquad --queries 200`; reads PYRITE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from pyrite.data import Comparison, Qrels
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.eval import compare, evaluate
from pyrite.models import CrossEncoderScorer
from pyrite.models.protocols import PairScorer
from pyrite.search import LexicalRetriever
from pyrite.search.reranking import rerank
from pyrite.search.rescoring import TextPairScorer
from pyrite.seeds import rng
from studies.cross_encoder import FOLDER, ROOT

__all__ = ["main", "measure"]

MEASURE = "nDCG@10"
_LOG = logging.getLogger("rescored-medquad")


def measure(
    collection: Collection, scorer: PairScorer, *, queries: int = 0, depth: int = 50
) -> tuple[float, float, Comparison]:
    """Return the measure of BM25, that of its top `depth` in the scorer's order, and their comparison.

    Args:
        collection: With a split "test".
        scorer: Orders anew.
        queries: How many to draw; 0 for all.
        depth: Documents of a query that are ordered anew; the others are not returned.
    """
    judged = collection.split("test")
    ids = sorted(judged.query_ids())
    drawn = set(rng(0, "rescored-queries").permutation(ids)[: queries or None].tolist())
    qrels = Qrels.from_rows(row for row in judged.rows() if row.query_id in drawn)
    bm25 = LexicalRetriever().build(collection.corpus).search(collection.queries.select(sorted(drawn)), depth)
    scored = rerank(bm25, collection.queries, TextPairScorer(scorer, collection.corpus), name="rescored", depth=depth)
    after = evaluate(scored, qrels, [MEASURE])
    before = evaluate(bm25, qrels, [MEASURE], system="bm25")
    (compared,) = compare([after, before], [("rescored", "bm25")]).rows()
    return before.means()[MEASURE], after.means()[MEASURE], compared


def main() -> None:
    """Measure, and say what came out."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--queries", type=int, default=0, help="how many test queries to draw; 0 for all")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="the cross-encoder")
    options = parser.parse_args()
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    scorer = CrossEncoderScorer.load(options.folder, device="cpu", precision=options.precision)
    before, after, compared = measure(read_beir(data / "medquad"), scorer, queries=options.queries)
    _LOG.info(
        "%s over %d queries: BM25 %.4f, its top 50 rescored %.4f, %+.4f [%.4f, %.4f], p = %.4f",
        *(MEASURE, compared.queries, before, after, compared.delta, compared.low, compared.high, compared.p),
    )


if __name__ == "__main__":
    main()
