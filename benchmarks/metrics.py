"""Four metrics over runs of three sizes: ours against ranx, ir-measures and pytrec_eval, in one run, losses shown.

(a) from each one's own parsed objects, made anew before each measurement so that nothing is remembered; (b) end to end
from TREC files. Times are CPU seconds of the process (wall beside), the median of repeats in alternating order, after
one warm-up that is not counted (it compiles ranx's kernels). pytrec_eval has no
RR@10 and measures RR. Means that differ from ours show in the last column.

    python benchmarks/metrics.py [--sizes 1000x100,10000x100,10000x1000] [--repeats 5] [--out table.md]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.data.store import atomic_write_text
from harness.data.trec import read_trec_qrels, read_trec_run
from harness.metrics.evaluate import evaluate

MEASURES = ("nDCG@10", "RR@10", "R@100", "AP")
CORPUS, JUDGED, SEED = 100_000, 20, 7


class Library(NamedTuple):
    """One contestant: how it reads the two files, and how it measures what it read."""

    name: str
    read: Callable[[Path, Path], Any]
    measure: Callable[[Any], dict[str, float]]


class Times(NamedTuple):
    """Seconds of one measurement."""

    cpu: float
    wall: float


def write_world(folder: Path, queries: int, depth: int) -> tuple[Path, Path]:
    """A run in rank order with tied scores, and 20 judgements a query, half of them among the hits."""
    rng = np.random.default_rng(SEED)
    docs = np.array([f"doc{number:07d}" for number in range(CORPUS)])
    run, qrels = folder / f"{queries}x{depth}.run", folder / f"{queries}x{depth}.qrels"
    with run.open("w") as hits_file, qrels.open("w") as qrels_file:
        for query in range(queries):
            hits = rng.choice(CORPUS, depth, replace=False)
            scores = np.sort(rng.gamma(2.0, 5.0, depth).round(4))[::-1]
            hits_file.writelines(f"q{query} Q0 {doc} {rank} {score:.4f} bench\n" for rank, (doc, score) in enumerate(
                zip(docs[hits].tolist(), scores.tolist(), strict=True), start=1))
            judged = np.union1d(rng.choice(hits, JUDGED // 2, replace=False), rng.choice(CORPUS, JUDGED // 2))
            grades = rng.integers(0, 4, len(judged)).tolist()
            qrels_file.writelines(f"q{query} 0 {doc} {grade}\n" for doc, grade in
                                  zip(docs[judged].tolist(), grades, strict=True))
    return run, qrels


def ours() -> Library:
    def measure(parsed: Any) -> dict[str, float]:
        found = evaluate(*parsed, MEASURES)
        return {name: found.mean(name) for name in MEASURES}

    return Library("signoff", lambda run, qrels: (read_trec_run(run), read_trec_qrels(qrels)), measure)


def pytrec() -> Library:
    import pytrec_eval

    names = {"ndcg_cut_10": "nDCG@10", "recip_rank": "RR", "recall_100": "R@100", "map": "AP"}  # it has no RR@10

    def read(run: Path, qrels: Path) -> Any:
        with run.open() as hits_file, qrels.open() as qrels_file:
            judged, hits = pytrec_eval.parse_qrel(qrels_file), pytrec_eval.parse_run(hits_file)
        return pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recip_rank", "recall.100", "map"}), hits

    def measure(parsed: Any) -> dict[str, float]:
        rows = list(parsed[0].evaluate(parsed[1]).values())
        return {ours: sum(row[theirs] for row in rows) / len(rows) for theirs, ours in names.items()}

    return Library("pytrec_eval", read, measure)


def ir() -> Library:
    import ir_measures

    wanted = [ir_measures.parse_measure(name) for name in MEASURES]

    def measure(parsed: Any) -> dict[str, float]:
        return {str(name): value for name, value in ir_measures.calc_aggregate(wanted, *parsed).items()}

    def read(run: Path, qrels: Path) -> Any:
        return list(ir_measures.read_trec_qrels(str(qrels))), list(ir_measures.read_trec_run(str(run)))

    return Library("ir-measures", read, measure)


def ir_dicts() -> Library:
    plain = ir()

    def read(run: Path, qrels: Path) -> Any:
        parsed = plain.read(run, qrels)
        judged: dict[str, dict[str, int]] = {}
        hits: dict[str, dict[str, float]] = {}
        for row in parsed[0]:
            judged.setdefault(row.query_id, {})[row.doc_id] = row.relevance
        for row in parsed[1]:
            hits.setdefault(row.query_id, {})[row.doc_id] = row.score
        return judged, hits

    return Library("ir-measures (dicts)", read, plain.measure)


def ranx_library() -> Library:
    import ranx

    names = {"ndcg@10": "nDCG@10", "mrr@10": "RR@10", "recall@100": "R@100", "map": "AP"}

    def read(run: Path, qrels: Path) -> Any:
        return ranx.Qrels.from_file(str(qrels), kind="trec"), ranx.Run.from_file(str(run), kind="trec")

    def measure(parsed: Any) -> dict[str, float]:
        found = ranx.evaluate(*parsed, list(names))
        return {ours: float(found[theirs]) for theirs, ours in names.items()}

    return Library("ranx", read, measure)


def timed(call: Callable[[], Any]) -> tuple[Any, Times]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = call()
    return result, Times(time.process_time() - cpu, time.perf_counter() - wall)


def contest(libraries: list[Library], run: Path, qrels: Path, repeats: int) -> dict[str, tuple[Times, Times, float]]:
    """Library → median times of measuring and of reading plus measuring, and its largest difference from ours."""
    parts: dict[str, list[Times]] = {library.name: [] for library in libraries}
    wholes: dict[str, list[Times]] = {library.name: [] for library in libraries}
    values: dict[str, dict[str, float]] = {}
    for repeat in range(repeats + 1):
        for library in libraries if repeat % 2 else libraries[::-1]:
            parsed, reading = timed(lambda library=library: library.read(run, qrels))
            values[library.name], measuring = timed(lambda library=library, parsed=parsed: library.measure(parsed))
            if repeat:
                parts[library.name].append(measuring)
                wholes[library.name].append(Times(reading.cpu + measuring.cpu, reading.wall + measuring.wall))
            del parsed
    apart = {name: max(abs(found[measure] - values["signoff"][measure]) for measure in MEASURES if measure in found)
             for name, found in values.items()}
    return {library.name: (median(parts[library.name]), median(wholes[library.name]), apart[library.name])
            for library in libraries}


def median(times: list[Times]) -> Times:
    return Times(statistics.median(time.cpu for time in times), statistics.median(time.wall for time in times))


def table(found: dict[str, dict[str, tuple[Times, Times, float]]]) -> list[str]:
    lines = ["| queries × depth | library | (a) CPU s | wall s | ours is faster by | (b) CPU s | wall s "
             "| ours is faster by | largest difference of a mean |", "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for size, rows in found.items():
        mine = rows["signoff"]
        for name, (part, whole, apart) in rows.items():
            ratios = (part.cpu / mine[0].cpu, whole.cpu / mine[1].cpu)
            gain = ["–" if name == "signoff" else f"{ratio:.1f} ×" for ratio in ratios]
            lines.append(f"| {size} | {name} | {part.cpu:.4f} | {part.wall:.4f} | {gain[0]} | {whole.cpu:.3f} | "
                         f"{whole.wall:.3f} | {gain[1]} | {apart:.1e} |")
    return lines


def verdicts(found: dict[str, dict[str, tuple[Times, Times, float]]]) -> list[str]:
    lines = []
    for size, rows in found.items():
        for place, what, goal in ((0, "(a) parsed", 10.0), (1, "(b) from files", 2.4)):
            best = min((name for name in rows if name != "signoff"), key=lambda name: rows[name][place].cpu)
            ratio = rows[best][place].cpu / rows["signoff"][place].cpu
            lines.append(f"- {size}, {what}: {ratio:.1f} × the fastest peer ({best}); goal {goal:g} ×: "
                         + ("reached" if ratio >= goal else "**missed**"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="1000x100,10000x100,10000x1000")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # peers' own
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # read when ranx is imported below
    libraries = [ours(), pytrec(), ir(), ir_dicts(), ranx_library()]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            run, qrels = write_world(Path(folder), *map(int, size.split("x")))
            found[size.replace("x", " × ")] = contest(libraries, run, qrels, options.repeats)
    names = ("numpy", "pyarrow", "pytrec-eval-terrier", "ir-measures", "ranx")
    head = [f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names) + ".",
            f"{CORPUS} documents, {JUDGED} judgements a query, median of {options.repeats} repeats, one thread.", ""]
    text = "\n".join([*head, *table(found), "", *verdicts(found), ""])
    sys.stdout.write(text)
    if options.out:
        atomic_write_text(options.out, text)


if __name__ == "__main__":
    main()
