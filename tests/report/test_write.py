"""Reports on disk: written whole, pictures from the records at hand, CI's summary appended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.errors import InputError
from harness.report.write import write_reports
from tests.report.samples import evidence


def test_the_reports_stand_beside_the_evidence(tmp_path: Path) -> None:
    """Markdown and HTML are written and returned; without a step summary nothing else is touched."""
    written = write_reports(evidence(tmp_path), tmp_path, environ={})
    assert [path.name for path in written] == ["summary.md", "report.html"]
    assert {path.name for path in tmp_path.iterdir()} == {"evidence.jsonl", "summary.md", "report.html"}


def test_the_step_summary_is_appended_to(tmp_path: Path) -> None:
    """What other steps wrote stays, and two releases stand one below the other."""
    step = tmp_path / "step.md"
    step.write_text("before\n")
    for name in ("one", "two"):
        write_reports(evidence(tmp_path, release=name), tmp_path / name, environ={"GITHUB_STEP_SUMMARY": str(step)})
    text = step.read_text()
    assert text.startswith("before\n")
    assert text.count("## ✅") == 2


def test_a_step_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A wrong path is one line, not a lost summary."""
    with pytest.raises(InputError, match="cannot be written"):
        write_reports(evidence(tmp_path), tmp_path, environ={"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_records_become_pictures(tmp_path: Path, rng: np.random.Generator) -> None:
    """Differences, latencies with their limit, and the index are drawn when their records are there."""
    pd.DataFrame({"query_id": ["a", "b", "c"], "cluster": "m", "task": "see_also", "measure": "delta nDCG@10",
                  "value": [-0.5, 0.0, 0.25]}).to_parquet(tmp_path / "per_query.parquet")
    pd.DataFrame({"query_id": [str(i) for i in range(50)], "encode_ms": rng.gamma(2, 1, 50),
                  "search_ms": rng.gamma(2, 1, 50)}).to_parquet(tmp_path / "trace.parquet")
    (tmp_path / "index.json").write_text(json.dumps({"cells": [3, 9, 5], "agreement": [0.9, 1.0]}))
    write_reports(evidence(tmp_path), tmp_path, environ={})
    page = (tmp_path / "report.html").read_text()
    for part in ("delta nDCG@10 per query, see_also", "1 below 0, 1 at 0, 1 above", "Latency, retrieval", "limit 8",
                 "Latency by stage", "Cells of the index", "Agreement with exhaustive search"):
        assert part in page
