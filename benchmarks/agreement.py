"""What agreement with exhaustive search costs beside the two bare faiss calls it stands on, in one run.

    python benchmarks/agreement.py [--out FILE]

Unit vectors of clustered Gaussians, 20,000 x 256; 1,500 queries; both searches on one thread; medians of paired
repeats.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from time import process_time

import faiss
import numpy as np

from harness.retrieval.agreement import flat_agreement
from harness.retrieval.indexes import FaissIndex

GOAL = 1.1


def world(n: int, queries: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Documents and queries around 200 centres."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(200, width))
    near = centres[rng.integers(0, 200, n + queries)] + 0.8 * rng.normal(size=(n + queries, width))
    unit = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    return unit[:n], unit[n:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    vectors, queries = world(20_000, 1_500, 256)
    index, flat = FaissIndex("ivf_flat", nprobe=16).build(vectors), FaissIndex("flat").build(vectors)
    bare, whole = [], []
    for _ in range(asked.repeats + 1):
        faiss.omp_set_num_threads(1)
        start = process_time()
        index.faiss.search(queries, 10)
        flat.faiss.search(queries, 10)
        middle = process_time()
        agreed = flat_agreement(index, flat, queries, k=10)
        bare.append(middle - start)
        whole.append(process_time() - middle)
    ratios = [ours / theirs for ours, theirs in zip(whole[1:], bare[1:], strict=True)]  # the first pair is warm-up
    ratio = statistics.median(ratios)
    table = "\n".join([
        "| what | CPU s, median | ratio to the bare calls |", "|---|--:|--:|",
        f"| two bare faiss searches | {statistics.median(bare[1:]):.3f} | 1 |",
        f"| flat_agreement (mean {agreed.mean():.3f}) | {statistics.median(whole[1:]):.3f} | {ratio:.3f} "
        f"[{min(ratios):.3f}, {max(ratios):.3f}] |",
        "", f"Goal: at most {GOAL} times the bare calls: {'met' if ratio <= GOAL else 'missed'}.",
    ])
    print(table)
    if asked.out:
        asked.out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
