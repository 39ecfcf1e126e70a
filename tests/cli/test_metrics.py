"""`signoff metrics`: every judged query counts, and the figures are trec_eval's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.app import main

QRELS = "q1 0 d1 2\nq1 0 d2 0\nq2 0 d3 1\nq3 0 d4 1\n"
RUN = "q1 Q0 d2 1 9 t\nq1 Q0 d1 2 8 t\nq2 Q0 d3 1 5 t\nq9 Q0 d1 1 5 t\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Judgements of three queries and a run that answers two of them and one of its own."""
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "a.run").write_text(RUN)
    return str(tmp_path / "qrels.txt"), str(tmp_path / "a.run")


def test_an_unanswered_query_scores_zero_and_is_counted(files: tuple[str, str],
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    """RR over three judged queries is (1/2 + 1 + 0) / 3, and what is missing has lines of its own."""
    assert main(["metrics", *files, "-m", "RR", "--per-query"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [["RR", "q1", "0.5000"], ["RR", "q2", "1.0000"], ["RR", "q3", "0.0000"], ["num_q", "all", "3"],
                    ["RR", "all", "0.5000"], ["unanswered", "all", "1"], ["no_relevant", "all", "0"],
                    ["unknown_queries", "all", "1"]]


def test_json_is_one_document_with_full_precision(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """--json puts one document on stdout, names the unanswered queries, and rounds nothing."""
    assert main(["metrics", *files, "-m", "MRR", "-m", "RR", "-m", "nDCG@10", "--json", "--per-query"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert (told["unanswered"], told["unknown"], list(told["measures"])) == (["q3"], 1, ["RR", "nDCG@10"])
    assert told["measures"]["nDCG@10"] == pytest.approx((1 / 1.584962500721156 + 1) / 3, abs=1e-12)
    assert told["per_query"]["RR"] == {"q1": 0.5, "q2": 1.0, "q3": 0.0}


def test_depth_cuts_the_run(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """--depth 1 looks at the first hit only, as trec_eval -M does."""
    assert main(["metrics", *files, "-m", "RR", "--depth", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measures"]["RR"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("extra", "part"), [
    (["-m", "nDGC@10"], "nearest: nDCG@10"), (["-m", "RBO"], "signoff compare"), (["-m", "P"], "needs a depth"),
])
def test_a_measure_that_cannot_be_had_is_one_line(extra: list[str], part: str, files: tuple[str, str],
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong measure names what would be right, before any file is scored."""
    assert main(["metrics", *files, *extra]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1


def test_a_broken_run_is_told_by_row(files: tuple[str, str], tmp_path: Path,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    """A score that is no number is told with file and row, and nothing is printed as if it had been scored."""
    bad = tmp_path / "bad.run"
    bad.write_text("q1 Q0 d1 1 high t\n")
    assert main(["metrics", files[0], str(bad), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "bad.run" in err
    assert "row 1" in err


@pytest.mark.parametrize(("run", "ndcg", "ap"), [
    ("org_manual_bm25", 0.376, 0.216), ("org_manual_ance", 0.494, 0.267), ("org_convdr_bert", 0.391, 0.220),
])
def test_published_figures_of_real_runs(run: str, ndcg: float, ap: float, shared_data: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    """nDCG@10 and AP of the CAsT 2021 runs are the ones stated with the data."""
    folder = shared_data / "runs_cast2021"
    words = ["metrics", str(folder / "qrels.txt"), str(folder / "runs" / f"{run}.run.gz"), "--json"]
    assert main([*words, "-m", "nDCG@10", "-m", "AP"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["queries"] == 158
    assert (round(told["measures"]["nDCG@10"], 3), round(told["measures"]["AP"], 3)) == (ndcg, ap)


def test_a_run_of_other_queries_is_no_page_of_zeros(files: tuple[str, str], tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    """Not one judged query in the run: one line with ids of both sides, by `metrics` and by `compare`."""
    other = tmp_path / "other.run"
    other.write_text("topic-1 Q0 d1 1 9 t\n")
    for words in (["metrics", files[0], str(other)], ["compare", files[1], str(other), "--qrels", files[0]]):
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "no query of the run is judged" in err
        assert "'q1'" in err
        assert "topic-1" in err
