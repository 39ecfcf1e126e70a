"""The study `stressed`: a release on perturbed queries. Of live parts it is made by `harness.hunting.stressing`.

Mutations of queries belong to the search for regressions, a floor above this one; a live release is asked there and
its record put into the trial. From files it is the user's own table, a row a query and perturbation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.readers import read_frame
from harness.errors import InputError, nearest
from harness.records import Floats, Ids
from harness.release.measures.stressed import owns
from harness.release.studied.slices import require_slices
from harness.release.studied.stress_file import write_stress
from harness.release.studied.stress_rows import LANGUAGE, MEASURED, StressObserved

if TYPE_CHECKING:
    import pandas as pd

    from harness.release.manifest import Loaded, Manifest

__all__ = ["ARTIFACTS", "asked", "recorded", "stress_of", "wanted"]

ARTIFACTS = Path("artifacts")
_NEEDED = ("query_id", "kind", "plain", "stressed", "overlap")
_OPTIONAL = ("task", "cluster", "edits", "baseline_plain", "baseline_stressed", "lost", "lost_overlap")
_KIND = re.compile(r"\w[\w-]*(=[\w.-]+)?")
_AS_THEY_ARE = ("long=own",)


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def asked(manifest: Manifest, otherwise: Sequence[str]) -> tuple[str, ...]:
    """Tasks that the policy's rows on stress name, in its order; the first of `otherwise` where none does."""
    named = dict.fromkeys(check.task for check in manifest.checks
                          if check.own_gate is None and owns(check.measure) and check.task is not None)
    return tuple(named) or tuple(otherwise[:1])


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> StressObserved:
    """The user's own table. Raises InputError where he gives none, or it does not hold what `stress_of` reads."""
    source = loaded.manifest.studies.stressed.table
    if source is None:
        raise InputError("no table of perturbed queries", where=loaded.path, column="studies.stressed.table",
                         expected="a table with a row a query and perturbation", found=None)
    tell("reading what perturbed queries found")
    ((kind, name),) = source.spec.items()
    record = stress_of(read_frame({kind: loaded.folder / name}), where=loaded.folder / name)
    require_slices(loaded, owns, lambda _: (*record.names, *record.slices))
    write_stress(ARTIFACTS / loaded.manifest.release, record)
    return record


def stress_of(frame: pd.DataFrame, *, where: object = "stress") -> StressObserved:
    """A table as a record.

    Args:
        frame: Columns `query_id`, `kind`, `plain`, `stressed` (nDCG@10 of the candidate) and `overlap` (Jaccard@10 of
            its two rankings); where they are known `baseline_plain` and `baseline_stressed`, both or neither, `task`,
            `cluster`, `edits`, `lost` and `lost_overlap`. All measured columns lie in [0, 1].
        where: Names the table in errors.

    Raises:
        InputError: A column that is missing or unknown, an empty name, a number out of range, no rows, a query that
            stands twice under one perturbation: by row and column.

    >>> import pandas as pd
    >>> row = {"query_id": "q", "kind": "typo=dropped_letter", "plain": 1.0, "stressed": 0.5, "overlap": 0.8}
    >>> stress_of(pd.DataFrame([row])).edits.tolist()
    [1]
    """
    _columns(frame, where)
    n = len(frame)
    kinds = _labels(frame, "kind", None, where)
    for row, kind in enumerate(kinds.tolist()):
        if not _KIND.fullmatch(kind):
            raise InputError("not a kind of perturbation", where=where, row=row + 1, column="kind", found=kind,
                             expected="a name such as synonym, or FAMILY=WHICH such as typo=transposition")
    queries = _labels(frame, "query_id", None, where)
    measured: dict[str, Any] = {name: _measured(frame, name, where) if name in frame.columns else np.full(n, np.nan)
                for name in MEASURED}
    tasks = _labels(frame, "task", np.full(n, "default", dtype=object), where)
    _once_each(tasks, queries, kinds, where)
    return StressObserved(queries, tasks, _labels(frame, "cluster", queries, where), kinds,
                          _edits(frame, kinds, where), **measured)


def _once_each(tasks: Ids, queries: Ids, kinds: Ids, where: object) -> None:
    """A query that stands twice under one perturbation would count twice, and narrow every interval."""
    seen: dict[tuple[str, str, str], int] = {}
    for row, key in enumerate(zip(tasks.tolist(), queries.tolist(), kinds.tolist(), strict=True), start=1):
        if (first := seen.setdefault(key, row)) != row:
            raise InputError("a query stands twice under one perturbation", where=where, row=row,
                             expected="each task, query and kind once", found=f"{', '.join(key)} as in row {first}")


def _columns(frame: pd.DataFrame, where: object) -> None:
    names = [str(name) for name in frame.columns]
    for name in _NEEDED:
        if name not in names:
            raise InputError("no such column", where=where, column=name, expected=", ".join(_NEEDED),
                             found=", ".join(names), hint=nearest(name, names))
    for name in names:
        if name not in (*_NEEDED, *_OPTIONAL):
            raise InputError("unknown column", where=where, expected=", ".join((*_NEEDED, *_OPTIONAL)), found=name,
                             hint=nearest(name, (*_NEEDED, *_OPTIONAL)))
    if ("baseline_plain" in names) != ("baseline_stressed" in names):
        raise InputError("half a baseline", where=where, expected="baseline_plain and baseline_stressed, or neither",
                         found=next(name for name in names if name.startswith("baseline_")))
    if not len(frame):
        raise InputError("no rows", where=where, expected="a row a query and perturbation")


def _labels(frame: pd.DataFrame, name: str, otherwise: Ids | None, where: object) -> Ids:
    if name not in frame.columns and otherwise is not None:
        return otherwise
    column = frame[name]
    values = column.astype(str).to_numpy(dtype=object)
    empty = column.isna().to_numpy() | (values == "")
    if empty.any():
        raise InputError("empty name", where=where, row=int(np.argmax(empty)) + 1, column=name, expected="text")
    return np.asarray(values, dtype=object)


def _measured(frame: pd.DataFrame, name: str, where: object) -> Floats:
    values = _numbers(frame, name, where)
    optional = name.startswith("lost")  # a row may have nothing left to ask
    wrong = ~((values >= 0.0) & (values <= 1.0)) & ~(np.isnan(values) & optional)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError("out of range", where=where, row=row + 1, column=name, expected="a number from 0 to 1",
                         found=float(values[row]))
    return values


def _edits(frame: pd.DataFrame, kinds: Ids, where: object) -> NDArray[np.int64]:
    """How many edits each row took: as told, else one, and none of a query that is asked as it is."""
    if "edits" not in frame.columns:
        plain = [kind in _AS_THEY_ARE or kind.partition("=")[0] == LANGUAGE for kind in kinds.tolist()]
        return np.where(plain, 0, 1).astype(np.int64)
    values = _numbers(frame, "edits", where)
    wrong = ~((values >= 0) & (values == np.floor(values)) & (values < 1e6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError("not a count", where=where, row=row + 1, column="edits", expected="a whole number from 0",
                         found=float(values[row]))
    return values.astype(np.int64)


def _numbers(frame: pd.DataFrame, name: str, where: object) -> Floats:
    try:
        return np.asarray(frame[name].to_numpy(dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError("not numbers", where=where, column=name, expected="numbers from 0",
                         found=str(frame[name].dtype)) from None
