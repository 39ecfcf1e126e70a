"""`signoff hunt`: a find is pinned, told and held to; the second hunt finds nothing new; bad calls are one line."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import harness.cli.hunting
from harness.cli.app import main
from harness.data.store import sha256_tree
from harness.errors import InputError
from harness.hunting.hunt import hunt
from harness.hunting.properties import PROPERTIES
from harness.hunting.regressions import read_pins
from tests.gates.recorded import PASSING, checkout
from tests.release.small import DENSE, FULL, small


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """A checkout with two live releases, one the other's baseline, and recorded files."""
    folder = tmp_path_factory.mktemp("hunts")
    small(folder, FULL, more="baseline: plain\n")
    small(folder, DENSE, name="plain")
    checkout(folder, PASSING, name="files")
    return folder


@pytest.fixture(autouse=True)
def here(bench, monkeypatch) -> Path:
    """Two kinds of mutation and one relation: what a verb does with what was found, not how hard it looks."""
    monkeypatch.chdir(bench)
    monkeypatch.delenv("RERANKER", raising=False)
    monkeypatch.setattr(harness.cli.hunting, "hunt", partial(hunt, operators=("truncation", "dropped_word")))
    monkeypatch.setattr(harness.cli.hunting, "PROPERTIES", {"same_twice": PROPERTIES["same_twice"]})
    return bench


def document(capfd, *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def test_a_find_is_pinned_and_the_next_hunt_finds_it_pinned(here, capfd, tmp_path):
    """New finds exit 10 and are on disk; the same hunt again pins nothing, replays what is there, and exits 0."""
    words = ("hunt", "small.yaml", "--out", str(tmp_path / "pins"), "--most", "2")
    first = document(capfd, *words, code=10)
    pins = read_pins(tmp_path / "pins")
    assert [one["name"] for one in first["finds"] if one["new"]] == [Path(path).stem for path in first["pinned"]]
    assert sorted(one.name for one in pins) == sorted(one["name"] for one in first["finds"]) and 1 <= len(pins) <= 2
    assert all(one.pin.release == "small" and one.pin.loss >= 0.1 and one.pin.status == "known" for one in pins)
    again = document(capfd, *words)
    assert again["pinned"] == [] and again["replayed"] == {
        "pins": len(pins), "broken": [], "elsewhere": [], "settled": []}
    same = ("searches", "examples", "seed", "relations")
    assert {key: first[key] for key in same} == {key: again[key] for key in same}


def test_two_hunts_write_the_same_bytes(here, capfd, tmp_path):
    """The profile ci under the manifest's seed: the same finds, files and gallery, to the byte."""
    gallery = Path("reports/small/regression_gallery.md")
    kept = []
    for name in ("one", "two"):
        document(capfd, "hunt", "small.yaml", "--out", str(tmp_path / name), code=10)
        kept.append((sha256_tree(tmp_path / name), gallery.read_bytes()))
    assert kept[0] == kept[1] and kept[0][0]


def test_people_are_told_what_was_tried_found_and_is_next(here, capfd, tmp_path):
    """The table fits a terminal; each find shows query and mutation; the last lines say what to do."""
    assert main(["hunt", "small.yaml", "--out", str(tmp_path), "--most", "1"]) == 10
    told = capfd.readouterr()
    lines = told.out.splitlines()
    assert lines[0].startswith("small beside plain, search · all: ") and "profile ci, seed 7" in lines[0]
    table = [line.rstrip() for line in lines[1:8]]
    assert any("tried" in line for line in table) and any(line.startswith(" dropped_word ") for line in table)
    assert all(len(line) <= 80 and "…" not in line for line in table)
    assert "nDCG@10 (new)" in told.out and "→ 1 relations tried, 1 held" in told.out
    assert "→ the policy does not ask for it yet; add\n  - {measure: regressions, at_most: 0}\n" in told.out
    assert all(len(line.rstrip()) <= 80 for line in lines if str(tmp_path) not in line)
    assert "hunt" not in told.err.split("\n")[0] and "truncation beside plain" in told.err


def test_a_relation_that_does_not_apply_is_told_as_not_tried(here, capfd, tmp_path, monkeypatch):
    """What a release has no part for is named: it is not counted with what held, and not left out in silence."""
    monkeypatch.setattr(harness.cli.hunting, "PROPERTIES", {
        name: PROPERTIES[name] for name in ("same_twice", "reranker_order_blind")})
    main(["hunt", "plain.yaml", "--out", str(tmp_path), "--most", "0"])
    told = " ".join(capfd.readouterr().out.split())
    assert "1 relations tried, 1 held" in told
    assert "not tried, for want of a part that this release does not have: reranker_order_blind" in told


def test_a_release_that_fails_while_a_relation_is_tried_ends_the_hunt(here, capfd, tmp_path, monkeypatch):
    """An engine that went away holds no relation: one line, exit 2, and no pin."""

    def gone(*_: Any) -> bool:
        raise InputError("cannot be reached", where="http://engine")

    monkeypatch.setattr(harness.cli.hunting, "PROPERTIES", {
        "same_twice": PROPERTIES["same_twice"]})
    monkeypatch.setitem(PROPERTIES, "same_twice", replace(PROPERTIES["same_twice"], holds=gone))
    assert main(["hunt", "small.yaml", "--out", str(tmp_path / "pins")]) == 2
    told = capfd.readouterr()
    assert "signoff: http://engine: cannot be reached" in told.err and told.out == ""
    assert not (tmp_path / "pins").exists()


def test_a_broken_pin_speaks(here, capfd, tmp_path):
    """A pin that the release falls under is told by name, with exit 10, though nothing new was found."""
    document(capfd, "hunt", "small.yaml", "--out", str(tmp_path), "--most", "1", code=10)
    (one,) = read_pins(tmp_path)
    path = tmp_path / f"{one.name}.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(
        f"mutated: {one.pin.limits.mutated}}}", "mutated: 1.0}"), encoding="utf-8")
    told = document(capfd, "hunt", "small.yaml", "--out", str(tmp_path), "--most", "0", code=10)
    assert told["replayed"]["broken"] == [one.name] and told["pinned"] == []


def test_a_hunt_that_finds_nothing_says_how_much_it_tried(here, capfd, tmp_path, monkeypatch):
    """No find is no proof: the words count the examples and claim no more."""
    monkeypatch.setattr(harness.cli.hunting, "hunt", partial(hunt, operators=("white_space",)))
    assert main(["hunt", "plain.yaml", "--out", str(tmp_path / "none")]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "examples tried. That is what was tried, not all there is." in told
    assert "the policy does not ask" not in told and not (tmp_path / "none").exists()


def test_minutes_are_a_hunt_with_a_database(here, capfd, tmp_path):
    """`--minutes` implies the profile hunt: a seed of its own, told; examples kept where git does not see them."""
    told = document(capfd, "hunt", "plain.yaml", "--minutes", "0", "--seed", "3", "--out", str(tmp_path), code=10)
    assert (told["profile"], told["seed"]) == ("hunt", 3)
    assert (tmp_path / ".examples" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert len(list((tmp_path / ".examples").iterdir())) > 1


def test_a_slice_is_hunted_in(here, capfd, tmp_path):
    """Only queries of the slice are mutated or compared."""
    told = document(capfd, "hunt", "small.yaml", "--slice", "length=long", "--out", str(tmp_path), "--most", "0")
    whole = document(capfd, "hunt", "small.yaml", "--out", str(tmp_path), "--most", "0")
    tried = [next(one["examples"] for one in one["searches"] if one["operator"] == "none") for one in (told, whole)]
    assert 0 < tried[0] < tried[1] == 31


def test_recorded_files_show_a_gallery_of_ids(here, capfd):
    """No mutation is possible, and no text is known: plain losses and gains, by id."""
    told = document(capfd, "hunt", "files.yaml", "--gallery")
    page = Path(told["gallery"]).read_text(encoding="utf-8")
    assert (told["compared"], told["differ"]) == (12, 11) and "### Largest gains" in page and "q00" in page


@pytest.mark.parametrize(("words", "told"), [
    (["files.yaml"], "recorded files answer no mutated query, so there is nothing to hunt in"),
    (["nowhere.yaml"], "cannot read the manifest"),
    (["small.yaml", "--profile", "hnt"], "unknown profile 'hnt'; expected one of ci, hunt (nearest: hunt)"),
    (["small.yaml", "--profile", "ci", "--minutes", "2"], "--minutes goes with --profile hunt"),
    (["small.yaml", "--slice", "lenght=long"], "no such slice"),
    (["small.yaml", "--task", "serach"], "no such task"),
    (["small.yaml", "--gallery"], "--gallery is for recorded files"),
    (["plain.yaml", "--gallery"], "a gallery needs two releases"),
])  # fmt: skip
def test_a_bad_call_is_one_line_and_leaves_nothing(here, words, told, capfd, tmp_path):
    """Exit 2, one line that names the fault, nothing written."""
    assert main(["hunt", *words, "--out", str(tmp_path / "pins")]) == 2
    out = capfd.readouterr()
    (line,) = [line for line in out.err.splitlines() if line.startswith("signoff: ")]
    assert told in line and out.out == "" and not (tmp_path / "pins").exists()


def test_an_unreadable_pin_stops_the_hunt_before_it_begins(here, capfd, tmp_path):
    """Torn pins are told, not overwritten and not passed over."""
    (tmp_path / "torn.yaml").write_text("query: [", encoding="utf-8")
    assert main(["hunt", "plain.yaml", "--out", str(tmp_path)]) == 2
    assert "torn.yaml" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["torn.yaml"]
