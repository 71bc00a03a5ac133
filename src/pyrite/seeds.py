"""Randomness that depends on what is drawn, never on when or where it is drawn."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["derive_seed", "rng"]


def derive_seed(seed: int, purpose: str, *keys: str) -> int:
    """Derive a 64-bit seed from a user's seed, a purpose and the ids of what is drawn for.

    Args:
        seed: The user's seed.
        purpose: What the numbers are for ("sample", "bootstrap"); two purposes never share a stream.
        keys: Ids that narrow it further, such as a query id.

    Returns:
        A seed in [0, 2**64).

    Example:
        >>> derive_seed(0, "sample", "q1") == derive_seed(0, "sample", "q1")
        True
        >>> derive_seed(0, "sample", "q1") == derive_seed(0, "sample", "q2")
        False
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in (str(seed), purpose, *keys):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return int.from_bytes(digest.digest(), "little")


def rng(seed: int, purpose: str, *keys: str) -> np.random.Generator:
    """Return the random generator for one purpose and one set of ids.

    The stream is a function of the arguments alone, so that it does not depend on the order of
    the queries, on shards, workers or hardware. Arguments as in `derive_seed`.

    Example:
        >>> float(rng(7, "sample", "q1").random()) == float(rng(7, "sample", "q1").random())
        True
    """
    return np.random.Generator(np.random.PCG64(derive_seed(seed, purpose, *keys)))
