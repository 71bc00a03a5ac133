from __future__ import annotations

import json
import os
from pathlib import Path

import number_stages as ns
import pytest
from workbench import Bench

from pyrite.errors import StoreError
from pyrite.pipeline.context import Context
from pyrite.pipeline.garbage import collect_garbage, find_garbage
from pyrite.pipeline.lock import exclusive, is_locked
from pyrite.pipeline.references import StoredOutput
from pyrite.pipeline.store import Store
from pyrite.pipeline.verification import verify_entry


def keys_of(bench: Bench, **options: object) -> dict[str, str]:
    return {step.id: step.key for step in bench.run(**options).result.steps}


def test_work_is_removed_once_a_step_is_published(bench: Bench) -> None:
    keys_of(bench)
    assert list((bench.store.root / ".work").iterdir()) == []
    assert bench.store.unfinished() == []


def test_entries_are_found_by_the_beginning_of_a_key(bench: Bench) -> None:
    keys = keys_of(bench)
    assert bench.store.resolve(f"count/{keys['data'][:6]}").key == keys["data"]
    assert bench.store.resolve(keys["sum"]).kind == "total"
    with pytest.raises(StoreError, match="'change/' names 2 steps; give more of the key: change/"):
        bench.store.resolve("change/")
    with pytest.raises(StoreError, match="holds nothing named 'count/zz'"):
        bench.store.resolve("count/zz")


def test_outputs_are_opened_by_the_kind_that_the_manifest_names(bench: Bench) -> None:
    source = StoredOutput("total", keys_of(bench)["sum"], "total")
    assert isinstance(bench.store.open_output(source, [ns.Numbers, ns.Total]), ns.Total)
    with pytest.raises(StoreError, match="is of the kind 'total'; wants: numbers"):
        bench.store.open_output(source, [ns.Numbers])
    with pytest.raises(StoreError, match="has no output 'sum'; it has: total"):
        bench.store.open_output(StoredOutput(source.kind, source.key, "sum"), [ns.Total])


def test_verify_finds_a_flipped_byte_a_missing_file_and_a_changed_manifest(bench: Bench) -> None:
    keys = keys_of(bench)
    entries = {entry.key: entry for entry in bench.store.entries()}
    assert [fault for entry in entries.values() for fault in verify_entry(entry, ns.CATALOG)] == []

    file = entries[keys["data"]].folder / "numbers" / "numbers.json"
    content = bytearray(file.read_bytes())
    content[1] ^= 1
    file.write_bytes(content)
    (fault,) = verify_entry(entries[keys["data"]], ns.CATALOG)
    assert fault.startswith("the output 'numbers' has changed (fingerprint ")

    (entries[keys["change-1"]].folder / "numbers" / "numbers.json").unlink()
    (fault,) = verify_entry(entries[keys["change-1"]], ns.CATALOG)
    assert fault.startswith("the output 'numbers' cannot be opened (FileNotFoundError: ")

    path = entries[keys["change-2"]].folder / "manifest.json"
    path.write_text(path.read_text().replace('"by": 2', '"by": 3'))
    assert verify_entry(bench.store.resolve(keys["change-2"]), ns.CATALOG) == [
        "the manifest does not belong to this key: its kind, version, settings or inputs were changed"
    ]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "{", "is damaged or from another version of Pyrite"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "has the format 2, wants 1"),
        (lambda text: text.replace('"seconds"', '"minutes"'), r"is damaged or from another version of Pyrite \("),
    ],
)
def test_a_manifest_that_cannot_be_read_says_what_to_do(bench: Bench, damage, message: str) -> None:
    entry = bench.store.resolve(keys_of(bench, targets=("data",))["data"])
    path = entry.folder / "manifest.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(StoreError, match=message) as raised:
        _ = bench.store.resolve(entry.key).manifest
    assert f"remove the folder {entry.folder}" in str(raised.value)


def test_an_entry_without_manifest_is_done_again(bench: Bench) -> None:
    entry = bench.store.resolve(keys_of(bench, targets=("data",))["data"])
    (entry.folder / "manifest.json").unlink()
    assert bench.run(targets=("data",)).result.executed == 1
    assert verify_entry(bench.store.resolve(entry.key), ns.CATALOG) == []


def test_garbage_is_what_no_kept_step_needs(bench: Bench) -> None:
    first = keys_of(bench)
    changed = bench.pipeline(overrides=("steps.change-2.settings.rules.0.by=5",))
    second = keys_of(bench, pipeline=changed)
    (bench.store.root / ".work" / "feed").mkdir()
    (bench.store.root / ".work" / "feed" / "x").write_text("12345")

    assert find_garbage(bench.store, [*first.values(), *second.values(), "feed"]).entries == ()
    garbage = find_garbage(bench.store, [second["page"]])
    assert {entry.key for entry, _ in garbage.entries} == {first["change-2"], first["sum"], first["page"]}
    assert garbage.work == (("feed", 5),)
    assert garbage.size == 5 + sum(entry.size() for entry, _ in garbage.entries)

    collect_garbage(bench.store, garbage)
    assert {entry.key for entry in bench.store.entries()} == set(second.values())
    assert list((bench.store.root / ".work").iterdir()) == []


def test_shared_files_are_garbage_once_no_step_has_a_link_to_them(bench: Bench) -> None:
    keys = keys_of(bench)
    folder = Context(bench.folder, common=bench.store.shared).shared("numbers")
    assert folder == bench.store.root / ".shared" / "numbers"
    for name in ("linked", "alone"):
        (folder / name).write_text(name)
    os.link(folder / "linked", bench.store.resolve(keys["data"]).folder / "numbers" / "linked")
    garbage = find_garbage(bench.store, keys.values())
    assert garbage.shared == ((folder / "alone", 5),)
    assert garbage.size == 5
    collect_garbage(bench.store, garbage)
    assert [path.name for path in folder.iterdir()] == ["linked"]
    collect_garbage(bench.store, find_garbage(bench.store, []))
    assert list(folder.iterdir()) == []


def test_curves_go_with_their_steps(bench: Bench) -> None:
    first = keys_of(bench)["change-2"]
    second = keys_of(bench, pipeline=bench.pipeline(overrides=("steps.change-2.settings.rules.0.by=5",)))["change-2"]
    folders = {name: bench.store.curves("change-2", key) for name, key in (("first", first), ("second", second))}
    folders |= {"gone": bench.store.curves("was", "feed" * 16), "working": bench.store.curves("is", "cafe" * 16)}
    assert folders["first"] == bench.store.root / ".curves" / "change-2" / first[:12]
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "events").write_text("12345")

    with bench.store.workspace("cafe" * 16, waiting=lambda: None):
        garbage = find_garbage(bench.store, [second])
        assert garbage.curves == tuple((folders[name], 5) for name in sorted(("first", "gone"), key=folders.get))
        assert garbage.size == 10 + sum(entry.size() for entry, _ in garbage.entries)
        collect_garbage(bench.store, garbage)
    assert [folder for folder in folders.values() if folder.is_dir()] == [folders["second"], folders["working"]]
    assert not folders["gone"].parent.exists()
    # A step that is kept and was killed has its curves to go on with.
    assert find_garbage(bench.store, [second, "cafe" * 16]).curves == ()


def test_a_context_outside_a_store_shares_in_its_own_folder(tmp_path: Path) -> None:
    assert Context(tmp_path).shared("numbers") == tmp_path / "shared" / "numbers"


def test_a_step_in_work_is_not_removed(bench: Bench) -> None:
    entry = bench.store.resolve(keys_of(bench, targets=("data",))["data"])
    with (
        bench.store.workspace(entry.key, lambda: None),
        pytest.raises(StoreError, match="another process is at work here"),
    ):
        bench.store.remove(entry)
    assert entry.folder.exists()


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with exclusive(path):
        assert is_locked(path)
    assert not path.exists()
    assert not is_locked(path)


def test_a_store_that_cannot_be_written_says_so(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    bench.store = Store(bench.folder / "file")
    with pytest.raises(StoreError, match=r"cannot be written to .*; choose another store"):
        bench.run()


def test_a_run_is_recorded(bench: Bench) -> None:
    finished = bench.run()
    assert (bench.runs.root / "latest").resolve() == finished.folder.resolve()
    record = json.loads((finished.folder / "run.json").read_text())
    assert (record["name"], record["status"], record["text"]) == ("numbers", "finished", ns.PIPELINE)
    assert [(step["id"], step["status"]) for step in record["steps"]][:2] == [
        ("data", "executed"),
        ("change-1", "executed"),
    ]

    page = finished.folder / "page.page" / "report.html"
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert page.read_text() == "<p>numbers</p>"
    assert (summary["dataset"], summary["metrics"]["all"], summary["report"]) == (
        "numbers",
        {"sum": 120},
        str(page.resolve()),
    )
    assert summary["seconds"] > 0
    assert list(summary["made_from"]) == ["data", "change-1", "change-2", "sum"]


def test_a_run_without_report_has_an_empty_summary(bench: Bench) -> None:
    summary = bench.run(targets=("data",)).summary
    assert {**summary, "seconds": 0} == {
        "dataset": None,
        "metrics": {},
        "comparisons": [],
        "report": None,
        "seconds": 0,
    }


def test_two_runs_in_one_second_have_two_folders_and_latest_moves(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    assert first.folder != second.folder
    assert (bench.runs.root / "latest").resolve() == second.folder.resolve()
    assert len(list(bench.runs.records())) == 2


def test_outputs_of_runs_are_located(bench: Bench) -> None:
    finished = bench.run()
    data = finished.result.steps[0]
    wanted = StoredOutput("count", data.key, "numbers")
    assert bench.runs.locate("latest:data.numbers") == wanted
    assert bench.runs.locate(f"{finished.folder.name}:data.numbers") == wanted
    assert bench.runs.locate(f"{finished.folder}:data.numbers") == wanted
    with pytest.raises(StoreError, match=r"there is no run 'lates' in .*; did you mean 'latest'"):
        bench.runs.locate("lates:data.numbers")
    with pytest.raises(StoreError, match="the run has no such step; did you mean 'data'"):
        bench.runs.locate(f"{finished.folder.name}:date.numbers")
    with pytest.raises(StoreError, match="no finished run has such a step; did you mean 'data'"):
        bench.runs.locate("latest:date.numbers")


def test_latest_is_the_last_run_that_has_the_step(bench: Bench) -> None:
    data = bench.run().result.steps[0]
    single = "name: one\nsteps: {other: {stage: count, settings: {last: 3}}}\n"
    bench.run(bench.pipeline(single))
    assert bench.runs.locate("latest:data.numbers").key == data.key
    assert bench.runs.locate("latest:other.numbers").key != data.key


def test_a_damaged_output_says_how_to_be_made_again(bench: Bench) -> None:
    entry = bench.store.resolve(keys_of(bench)["sum"])
    for file in entry.output("total").iterdir():
        file.write_text("{")
    with pytest.raises(StoreError, match=r"is damaged, it cannot be opened .* to have the step done again"):
        bench.store.open_output(StoredOutput("total", entry.key, "total"), [ns.Total])


def test_a_manifest_that_lost_an_output_is_damaged(bench: Bench) -> None:
    entry = bench.store.resolve(keys_of(bench)["sum"])
    manifest = json.loads((entry.folder / "manifest.json").read_text())
    (entry.folder / "manifest.json").write_text(json.dumps({**manifest, "outputs": {}}))
    found = bench.store.resolve(entry.key)
    assert verify_entry(found, ns.CATALOG) == ["the manifest does not name the output 'total'"]
