"""Conformal coverage: thresholds calibrated on a drawn half of the rows of each group, and how the other half fared.

The record takes any non-conformity scores (a request's milliseconds, a surrogate's error) and any groups that are known
beforehand. Rows are divided at random within a group, so that the law of the covered count is exact, whatever the
scores: neither a noisy machine nor a query that was asked twice breaks it (Vovk 2012).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.estimators.conformal_coverage import SliceCoverage, slice_coverage
from harness.estimators.conformal_groups import mondrian
from harness.records import Floats, Ids
from harness.release.observed import Bools
from harness.release.studied.paired import Request, Serves, requests_of
from harness.shown import brief

if TYPE_CHECKING:
    from harness.release.build import Built
    from harness.release.live import Answer
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed

__all__ = ["COVERED", "REPORT", "CoverageObserved", "coverage_rows", "drawn_halves", "observe", "read_report",
           "recorded", "served_by_group", "wanted", "write_report"]

COVERED = "conformal coverage"
REPORT = "conformal_coverage_report.csv"
_COLUMNS = ("slice", "rows", "calibrated", "covered", "share", "low", "high", "kept", "in_band")
_KNOWN = ("spend", "cache")  # columns of a recorded trace that are known before a request is served


@dataclass(frozen=True, eq=False)
class CoverageObserved:
    """Scores with their groups, some of them calibration rows, the rest new.

    Attributes:
        scores: (n,) finite, larger where the prediction is worse; for a one-sided bound the value itself.
        groups: (n,) text, known of a row before its score is.
        calibrating: (n,) true where the row calibrates its group's threshold.
        coverage: Promised in each group.
        alpha: Chance, at most, that any of the groups is refused though all are sound.
    """

    scores: Floats
    groups: Ids
    calibrating: Bools
    coverage: float = 0.95
    alpha: float = 0.05

    __repr__ = brief

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Group → (covered, new rows, calibration rows), groups ascending; a group never calibrated covers nothing.

        >>> scores, groups = np.arange(40.0), np.array(["warm"] * 40, dtype=object)
        >>> CoverageObserved(scores, groups, scores % 2 == 0).counts()
        {'warm': (19, 20, 20)}
        """
        found = {}
        for group in sorted(set(self.groups.tolist())):
            here = self.groups == group
            known, new = self.scores[here & self.calibrating], self.scores[here & ~self.calibrating]
            top = mondrian(known, ["one"] * len(known), coverage=self.coverage).values[0] if len(known) else -np.inf
            found[str(group)] = (int((new <= top).sum()), len(new), len(known))
        return found

    def slices(self) -> dict[str, SliceCoverage]:
        """Group → how it fared against the law, all groups together at `alpha`."""
        return slice_coverage(self.counts(), coverage=self.coverage, alpha=self.alpha)


def wanted(manifest: Manifest) -> bool:
    """True where the policy names conformal coverage."""
    return any(check.own_gate is None and check.measure == COVERED for check in manifest.checks)


def drawn_halves(scores: ArrayLike, groups: Sequence[str], *, rng: np.random.Generator, coverage: float = 0.95,
                 alpha: float = 0.05) -> CoverageObserved:
    """The record of (n,) scores and groups, a random half of each group set aside for calibration.

    Raises:
        InputError: No row, lengths that differ, a score that is no number.

    >>> record = drawn_halves(np.arange(100.0), ["a", "b"] * 50, rng=np.random.default_rng(1))
    >>> int(record.calibrating.sum()), [rows for _, rows, _ in record.counts().values()]
    (50, [25, 25])
    """
    values, names = np.asarray(scores, dtype=np.float64), np.asarray(groups, dtype=object)
    if values.ndim != 1 or len(values) != len(names) or not len(values):
        raise InputError("nothing to calibrate", where="conformal coverage", expected="as many scores as groups",
                         found=(values.shape, len(names)))
    if not np.isfinite(values).all():
        raise InputError("score is not a number", where="conformal coverage", expected="finite numbers",
                         row=int(np.flatnonzero(~np.isfinite(values))[0]) + 1)
    chosen = np.zeros(len(values), dtype=np.bool_)
    for group in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == group)
        chosen[rng.permutation(rows)[: len(rows) // 2]] = True
    return CoverageObserved(values, names, chosen, coverage, alpha)


def observe(loaded: Loaded, built: Built, candidate: Observed,
            baseline: Observed | None, tell: Callable[[str], None]) -> CoverageObserved:  # noqa: ARG001 as every study
    """Serve the candidate's judged queries until each group has its rows. Raises InputError without live parts."""
    if candidate.live is None:
        raise InputError("nothing to serve", where=loaded.manifest.release, expected="live parts", found=COVERED)
    options, seed = loaded.manifest.studies.covered, loaded.manifest.seed
    rows = requests_of(candidate.live.world, tuple(candidate.tasks), options.queries, seed=seed)
    tell(f"serving {len(rows):,} queries until each spend has {2 * options.rows:,} requests")
    rng = np.random.default_rng(seed)
    times, groups = served_by_group(candidate.live, rows, least=2 * options.rows, rng=rng)
    record = drawn_halves(times, groups, rng=rng, coverage=options.coverage, alpha=options.alpha)
    write_report(record, built.folders["world"].parent)
    return record


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> CoverageObserved:
    """The candidate's recorded latencies, grouped by `spend` and `cache` where the file tells them."""
    from harness.data.readers import read_trace

    sides = loaded.manifest.recorded
    if sides is None or sides.candidate.latency is None:
        raise InputError("no latencies were recorded", where=loaded.path, column="recorded.candidate.latency",
                         expected="a trace with total_ms", found=None)
    source = sides.candidate.latency
    tell("dividing recorded latencies into calibration and new rows")
    trace = read_trace({key: str(loaded.folder / path) for key, path in source.spec.items()})
    known = [name for name in _KNOWN if name in trace.frame.columns]
    labels = [" ".join(f"{name}={value}" for name, value in zip(known, row, strict=True)) or "requests"
              for row in trace.frame[known].itertuples(index=False)] if known else ["requests"] * len(trace)
    options = loaded.manifest.studies.covered
    return drawn_halves(trace.latency_ms("total"), labels, rng=np.random.default_rng(loaded.manifest.seed),
                        coverage=options.coverage, alpha=options.alpha)


def served_by_group(system: Serves, rows: Sequence[Request], *, least: int, rng: np.random.Generator
                    ) -> tuple[Floats, list[str]]:
    """Total milliseconds and group of each request, at least `least` a group, queries of a group in turn.

    A group is the spend that is decided for a query. A first pass tells it and warms caches; it is not counted. Groups
    are served mixed, in a drawn order.
    """
    groups = [_group(_served(system, row)) for row in rows]
    members = {name: [place for place, one in enumerate(groups) if one == name] for name in sorted(set(groups))}
    places = [place for own in members.values() for place in (own * (-(-least // len(own))))[: max(least, len(own))]]
    drawn = [places[at] for at in rng.permutation(len(places))]
    answers = [_served(system, rows[place]) for place in drawn]
    return np.array([_total(answer) for answer in answers]), [_group(answer) for answer in answers]


def coverage_rows(record: CoverageObserved) -> list[dict[str, object]]:
    """One row a slice, as the report writes it."""
    return [{"slice": name, **{key: getattr(one, key) for key in _COLUMNS[1:]}}
            for name, one in record.slices().items()]


def write_report(record: CoverageObserved, folder: Path) -> Path:
    """Write `conformal_coverage_report.csv` into a folder, whole or not at all, and read it back before it counts."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in coverage_rows(record))
    path = atomic_write_text(folder / REPORT, text.getvalue())
    read_report(path, coverage=record.coverage, alpha=record.alpha)
    return path


def read_report(path: Path, *, coverage: float = 0.95, alpha: float = 0.05) -> dict[str, SliceCoverage]:
    """The report's slices, judged again from their counts at the same promise.

    Raises:
        InputError: Other columns, counts that are no counts, or a figure that does not follow from them.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, found = list(reader), tuple(reader.fieldnames or ())
    if found != _COLUMNS or not rows or len({row["slice"] for row in rows}) != len(rows):
        raise InputError("not a coverage report", where=path, expected=", ".join(_COLUMNS), found=", ".join(found))
    again = slice_coverage({row["slice"]: _counts(row, path, at) for at, row in enumerate(rows, start=1)},
                           coverage=coverage, alpha=alpha)
    for at, row in enumerate(rows, start=1):
        _follows(row, again[row["slice"]], path, at)
    return again


def _follows(row: Mapping[str, str], again: SliceCoverage, path: Path, at: int) -> None:
    for key in _COLUMNS[4:]:
        if row[key] != _plain(getattr(again, key)):
            raise InputError("does not follow from the counts", where=path, row=at, column=key,
                             expected=_plain(getattr(again, key)), found=row[key])


def _counts(row: Mapping[str, str], path: Path, at: int) -> tuple[int, int, int]:
    try:
        return int(row["covered"]), int(row["rows"]), int(row["calibrated"])
    except (TypeError, ValueError):
        raise InputError("not a count", where=path, row=at, column="covered, rows, calibrated",
                         expected="whole numbers", found=row["covered"]) from None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _served(system: Serves, row: Request) -> Answer:
    return system.search(row.text, own=row.own, module=row.module)


def _group(answer: Answer) -> str:
    return f"spend={answer.spend}"


def _total(answer: Answer) -> float:
    return sum(float(getattr(answer, name)) for name in answer._fields if name.endswith("_ms"))
