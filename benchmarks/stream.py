"""A hundred million rows from Parquet through the accumulators, in one process, with its peak of memory.

    python benchmarks/stream.py [--rows 100000000] [--file FOLDER/log.parquet] [--batch 500000] [--out FILE]

The file (a value in thousandths, a latency in ms, a weight, a slice; float32, seeded) is written once, by a process of
its own, where it does not exist. Peak memory is the process's resident maximum, libraries included; the figure beside
it is after imports.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness.data.stream import stream_parquet
from harness.estimators.moments import Moments
from harness.estimators.sketch import LatencySketch
from harness.estimators.slices import BySlice
from harness.estimators.tally import Tally
from harness.estimators.weights import TopWeights

COLUMNS = ["reward", "latency_ms", "weight", "slice"]
GROUP = 500_000


def write(path: Path, rows: int) -> None:
    """The world: rewards 0.6 on average, log-normal latencies, exponential weights, four slices."""
    rng = np.random.default_rng(7)
    names = pa.array(["de", "en", "fr", "ja"])
    with pq.ParquetWriter(path, _table(rng, 1, names).schema, compression="snappy") as file:
        for start in range(0, rows, GROUP):
            file.write_table(_table(rng, min(GROUP, rows - start), names))


def _table(rng: np.random.Generator, rows: int, names: Any) -> Any:
    code = pa.array(rng.integers(0, 4, rows, dtype=np.int32))
    return pa.table({
        "reward": (rng.random(rows, dtype=np.float32) < 0.6).astype(np.float32),
        "latency_ms": np.exp(2.0 + 0.5 * rng.standard_normal(rows, dtype=np.float32)),
        "weight": rng.standard_exponential(rows, dtype=np.float32),
        "slice": pa.DictionaryArray.from_arrays(code, names),
    })  # fmt: skip


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def fold(path: Path, batch: int) -> dict[str, Any]:
    """All accumulators over all rows; the bar goes to standard error."""
    moments, sketch, weights, hits, slices = Moments(), LatencySketch(), TopWeights(), Tally(), BySlice[Moments]()
    bar = Progress(TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   console=_console(), refresh_per_second=2)  # fmt: skip
    with bar:
        task = bar.add_task("rows", total=None)

        def shown(done: int, rows: int) -> None:
            bar.update(task, completed=done, total=rows)

        for part in stream_parquet(path, COLUMNS, batch, progress=shown):
            reward, latency, weight, names = part
            moments, hits = moments.merge(Moments.of(latency)), hits.merge(Tally.of(reward))
            sketch, weights = sketch.merge(LatencySketch.of(latency)), weights.merge(TopWeights.of(weight))
            slices = slices.merge(BySlice.of(reward, names, into=Moments.of))
    return {"moments": moments, "sketch": sketch, "weights": weights, "hits": hits, "slices": slices}


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def told(found: dict[str, Any], rows: int, seconds: float, before: float, size_mb: float) -> str:
    peak = peak_mb()
    hits, p95 = found["hits"].estimate(), found["sketch"].quantile(0.95)
    lines = [
        "| what | figure |", "|---|--:|",
        f"| rows | {rows:,} |", f"| file | {size_mb:,.0f} MB |",
        f"| CPU | {seconds:.0f} s, {rows / seconds / 1e6:.2f} million rows/s |",
        f"| peak memory (after imports {before:.0f} MB) | {peak:.0f} MB |",
        f"| mean latency (exact {np.exp(2.125):.5f}) | {found['moments'].mean:.5f} ms |",
        f"| p95 (exact {np.exp(2.0 + 0.5 * 1.6448536):.4f}) | {p95.value:.4f} ms in [{p95.low:.4f}, {p95.high:.4f}] |",
        f"| share of hits (exact 0.6) | {hits.value:.6f} in [{hits.low:.6f}, {hits.high:.6f}] |",
        f"| ESS/N of the weights (exact 0.5) | {found['weights'].ess_share:.6f} |",
        f"| slices | {', '.join(f'{name} {one.n:,}' for name, one in found['slices'].states.items())} |",
        "", f"Goal: under 1,000 MB: {'met' if peak < 1000 else 'missed'}.",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--batch", type=int, default=500_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only-write", action="store_true")
    asked = parser.parse_args()
    path = asked.file or Path(tempfile.gettempdir()) / f"signoff-{asked.rows}.parquet"
    if asked.only_write:
        write(path, asked.rows)
        return
    if not path.exists():
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        call = [sys.executable, __file__, "--only-write", "--file", str(aside), "--rows", str(asked.rows)]
        subprocess.run(call, check=True)  # elsewhere, so that writing is not in the peak
        aside.replace(path)
    before, start = peak_mb(), time.process_time()
    found = fold(path, asked.batch)
    table = told(found, found["moments"].n, time.process_time() - start, before, path.stat().st_size / 1e6)
    print(table)
    if asked.out:
        asked.out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
