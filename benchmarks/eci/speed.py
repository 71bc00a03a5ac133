"""A million pairs of a query and a negative, vectors given: both measures, beside the formulas query by query.

Two peers compute `eci_sem` as one would write it down: `peer`, for each query the D x D matrix of the formula and
`torch.logdet`; `loop`, the N x N matrix in numpy, for each query by itself. They get a cut of the queries, their times
are told for all of them, and all sides have to agree on the cut.

`python -m benchmarks.eci speed`, or `... --small` for a look.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from benchmarks.harness import Call, Result, at_most, interleave, median, write_results
from pyrite.metrics.eci import eci_sem, eci_v1
from pyrite.metrics.groups import Groups, cosines

__all__ = ["main"]

MODULE = "benchmarks.eci.speed"
QUERIES, NEGATIVES, DOCUMENTS, DIMENSION = 100_000, 10, 50_000, 384
CUTS = {"peer": 200, "loop": 5_000}
TARGET_SECONDS = 2.0
TARGET_MB = 300.0
REPEATS = 3


def main() -> None:
    """Measure, compare, and write the results."""
    small = "--small" in sys.argv
    divisor = 20 if small else 1
    queries = {name: CUTS.get(name, QUERIES) // divisor for name in ("v1", "sem", "peer", "loop")}
    calls = {
        name: Call(f"{MODULE}:{name}", {"queries": count}, prepare=f"{MODULE}:build") for name, count in queries.items()
    }
    measured = interleave(calls, 1 if small else REPEATS)
    peer, loop = (median(measured[name]) * queries["sem"] / queries[name] for name in CUTS)
    values = {name: np.array(measured[name][0].value) for name in ("sem", *CUTS)}
    difference = max(float(np.abs(values["sem"][: len(values[name])] / values[name] - 1).max()) for name in CUTS)
    seconds = median(measured["sem"])
    pairs = f"{queries['sem'] * NEGATIVES:,} pairs"
    results = [
        at_most(f"eci_sem: {pairs}", seconds, "s", target=TARGET_SECONDS, peer=loop),
        at_most(f"eci_v1: {pairs}, cosines included", median(measured["v1"]), "s", target=TARGET_SECONDS),
        at_most("eci_sem: memory added", median(measured["sem"], "added_anonymous_mb"), "MB", target=TARGET_MB),
        at_most("eci_sem: largest relative difference to the peers", difference, "", target=1e-3),
        Result("eci_sem: times as fast as the N x N loop in numpy", loop / seconds, "x"),
        Result("eci_sem: times as fast as torch.logdet of D x D", peer / seconds, "x"),
    ]
    write_results("eci-speed-small" if small else "eci-speed", results)


def build(queries: int) -> dict[str, Any]:
    """Make vectors that are alike as an encoder's are: all have a direction in common."""
    import torch

    random = np.random.default_rng(0)
    centre = random.standard_normal(DIMENSION)
    documents = _units(centre + random.standard_normal((DOCUMENTS, DIMENSION)))
    # All of them, so that a cut holds the first of the same.
    positives, negatives = (random.integers(0, DOCUMENTS, shape) for shape in (QUERIES, (QUERIES, NEGATIVES)))
    asked = documents[positives[:queries]] + 0.04 * random.standard_normal((queries, DIMENSION))
    return {
        "torch": torch,
        "queries": _units(asked),
        "documents": documents,
        "positives": positives[:queries],
        "negatives": negatives[:queries],
    }


def _units(vectors: np.ndarray) -> np.ndarray:
    units: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def v1(built: dict[str, Any]) -> float:
    """Score by `eci_v1`, cosines included."""
    groups = Groups.of_padded(built["positives"], built["negatives"])
    return eci_v1(groups, cosines(groups, built["queries"], built["documents"])).score()


def sem(built: dict[str, Any]) -> list[float]:
    """Score by `eci_sem`; return the values of the peers' cuts."""
    groups = Groups.of_padded(built["positives"], built["negatives"])
    found: list[float] = eci_sem(groups, built["queries"], built["documents"]).values[: max(CUTS.values())].tolist()
    return found


def loop(built: dict[str, Any]) -> list[float]:
    """Score each query by the determinant of its N x N matrix, in numpy."""
    documents, found = built["documents"], []
    for query, right, wrong in zip(built["queries"], built["positives"].tolist(), built["negatives"], strict=True):
        positive, negatives = documents[right], documents[wrong]
        consistency = 1 / (1 + np.exp(-(query @ positive - negatives @ query) / 0.05))
        locality = np.exp((negatives @ positive - 1) / 0.1)
        basis = np.linalg.qr(np.stack([query, positive], axis=1))[0]
        residual = negatives - negatives @ basis @ basis.T
        roots = np.sqrt(consistency * locality / len(negatives))[:, None]
        matrix = np.eye(len(negatives)) + (roots * residual).astype(np.float64) @ (roots * residual).T
        found.append(float(np.linalg.slogdet(matrix)[1]))
    return found


def peer(built: dict[str, Any]) -> list[float]:
    """Score each query by the determinant of its D x D matrix."""
    torch = built["torch"]
    queries, documents = torch.from_numpy(built["queries"]).double(), torch.from_numpy(built["documents"]).double()
    found = []
    for query, right, wrong in zip(queries, built["positives"].tolist(), built["negatives"], strict=True):
        positive, negatives = documents[right], documents[torch.from_numpy(wrong)]
        consistency = torch.sigmoid((query @ positive - negatives @ query) / 0.05)
        locality = torch.exp((negatives @ positive - 1) / 0.1)
        basis = torch.linalg.qr(torch.stack([query, positive], dim=1)).Q
        residual = negatives - negatives @ basis @ basis.T
        matrix = (residual * (consistency * locality)[:, None]).T @ residual / len(negatives)
        found.append(float(torch.logdet(torch.eye(len(query), dtype=torch.float64) + matrix)))
    return found


if __name__ == "__main__":
    main()
