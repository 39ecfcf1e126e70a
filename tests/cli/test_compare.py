"""`signoff compare`: two runs or two evaluations, paired by query."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.cli.app import main


def evaluation(folder: Path, name: str, values: np.ndarray, *, queries: int | None = None) -> str:
    """An evaluation of R@5 as `signoff eval` leaves it: JSON beside a per-query table."""
    count = queries or len(values)
    frame = pd.DataFrame({"query_id": [f"q{i}" for i in range(count)], "cluster": [f"c{i // 4}" for i in range(count)],
                          "task": "see_also", "measure": "R@5", "value": values[:count]})
    frame.to_parquet(folder / f"{name}.parquet")
    document = {"release": name, "task": "see_also", "measures": {"R@5": float(values.mean())},
                "per_query": f"{name}.parquet"}
    (folder / f"{name}.json").write_text(json.dumps(document))
    return str(folder / f"{name}.json")


def test_a_known_difference_is_found_with_its_clusters(tmp_path: Path, rng: np.random.Generator,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    """A loss of 10 points on every query is -0.1, 400 worse, none better, and the decision is to hold."""
    values = rng.uniform(0.2, 1.0, 400)
    words = [evaluation(tmp_path, "a", values), evaluation(tmp_path, "b", values - 0.1 + rng.normal(0, 0.01, 400))]
    assert main(["compare", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    one = told["differences"][0]
    assert told["decision"] == one["decision"] == "hold"
    assert one["delta"]["value"] == pytest.approx(-0.1, abs=0.002)
    assert (one["delta"]["n"], one["better"], one["worse"], one["settled"]) == (400, 0, 400, True)
    assert "100 clusters" in one["delta"]["method"]


def test_queries_on_one_side_only_are_counted(tmp_path: Path, rng: np.random.Generator,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """Pairs are made by query id; what has no partner is left out and said."""
    values = rng.uniform(0, 1, 60)
    words = [evaluation(tmp_path, "a", values), evaluation(tmp_path, "b", values, queries=50)]
    assert main(["compare", *words]) == 0
    assert "10 queries stand on one side only" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["no qrels", "two kinds", "no table", "no column", "not json", "no measure", "nan"])
def test_what_cannot_be_compared_is_one_line(case: str, tmp_path: Path, rng: np.random.Generator,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    """Each wrong pair of inputs is told in one line with code 2."""
    good = evaluation(tmp_path, "a", rng.uniform(0, 1, 20))
    words = [good, good]
    if case == "no qrels":
        words = ["a.run", "b.run"]
    elif case == "two kinds":
        words = [good, "b.run"]
    elif case == "no table":
        (tmp_path / "a.parquet").unlink()
    elif case == "no column":
        pd.DataFrame({"query_id": ["q"], "valu": [1.0]}).to_parquet(tmp_path / "a.parquet")
    elif case == "not json":
        Path(good).write_text("{")
    elif case == "no measure":
        words += ["-m", "R@50"]
    else:
        evaluation(tmp_path, "a", np.array([0.5, np.nan]))
    assert main(["compare", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("signoff: ")
    assert err.count("\n") == 1


def test_two_rankings_are_compared_without_judgements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Jaccard@2 is 1/3 where one of two documents is shared and 1 where all are; no decision is drawn from it."""
    (tmp_path / "a.run").write_text("q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\nq2 Q0 d1 1 1 t\n")
    (tmp_path / "b.run").write_text("q1 Q0 d1 1 2 t\nq1 Q0 d3 2 1 t\nq2 Q0 d1 1 1 t\n")
    words = ["compare", str(tmp_path / "a.run"), str(tmp_path / "b.run"), "-m", "Jaccard@2"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agreement"]["Jaccard@2"]["value"] == pytest.approx(2 / 3)
    assert (told["decision"], told["differences"]) == (None, [])
    assert main(words) == 0
    assert "Jaccard@2 of the two rankings: 0.6667" in capsys.readouterr().out


def test_real_runs_with_and_without_a_reranker(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On 158 turns the BERT reranker's gain over ANCE is 2 points of nDCG@10, and its interval holds zero."""
    folder = shared_data / "runs_cast2021"
    runs = [str(folder / "runs" / f"org_manual_{name}.run.gz") for name in ("ance", "ance_bert")]
    assert main(["compare", *runs, "--qrels", str(folder / "qrels.txt"), "-m", "nDCG@10", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["differences"][0]
    assert round(one["before"], 3) == 0.494
    assert round(one["after"], 3) == 0.514
    assert one["delta"]["low"] < 0 < one["delta"]["value"] < one["delta"]["high"]
    assert one["reach"] == ["plan", "tune"]
