"""What a release changed, query by query: the largest losses and gains of a gate run, kept beside its evidence.

The contract's gallery is made of this file, long after the rankings themselves are gone. Reading it is strict.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.canonical import strict_json
from harness.data.corpus import Corpus
from harness.data.store import atomic_write_text
from harness.errors import EvidenceError, InputError
from harness.hunting.gallery import Chapter, Exhibit, Hit, exhibits_of, largest
from harness.release.manifest import Loaded
from harness.release.measures import family_of
from harness.release.observed import Trial

__all__ = ["CHANGES", "MOST", "SCHEMA", "keep_changes", "read_changes"]

SCHEMA = "signoff-changes/1"
CHANGES = "changes.json"
MOST = 10
_CHAPTER = {"heading", "before", "after", "compared", "exhibits"}


def keep_changes(trial: Trial, loaded: Loaded, folder: Path) -> Path | None:
    """Write the `MOST` largest losses and gains of every task that is compared; None where nothing is.

    Query texts are kept for the embedded corpus alone; the user's own queries are named by their ids.
    """
    if trial.baseline is None:
        return None
    tasks = dict.fromkeys(trial.candidate.task(check.task).name for check in loaded.manifest.checks
                          if check.own_gate is None and check.measure.startswith("delta ")
                          and family_of(check.measure) == "quality")
    chapters = [_chapter(trial, name, shown=loaded.manifest.data.corpus is not None) for name in tasks]
    told = {"schema": SCHEMA, "release": trial.candidate.release, "chapters": chapters}
    return atomic_write_text(folder / CHANGES, json.dumps(told, ensure_ascii=False) + "\n") if chapters else None


def read_changes(raw: bytes, *, where: object = CHANGES, release: str | None = None) -> tuple[Chapter, ...]:
    """The chapters that a run kept, for `gallery`. Raises EvidenceError: not such a file, or another release's."""
    try:
        value = strict_json(raw, where=where)
        if value["schema"] != SCHEMA:
            raise LookupError(f"schema {value['schema']!r}")
        chapters = tuple(_read_chapter(one) for one in value["chapters"])
        name = value["release"]
    except (InputError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError("not the changes of a run", where=where, expected=SCHEMA,
                            found=f"{type(error).__name__}: {error}") from None
    if release is not None and name != release:
        raise EvidenceError("the changes of another release", where=where, expected=release, found=name)
    return chapters


def _chapter(trial: Trial, task: str, *, shown: bool) -> dict[str, Any]:
    live, baseline = trial.candidate.live, trial.baseline
    assert baseline is not None
    texts, title = None, partial(_title, None if live is None else live.world.corpus)
    if live is not None and shown:
        asked = live.world.task(task)
        texts = dict(zip(asked.query_ids, asked.texts, strict=True)) if asked.contexts is None else None
    found = exhibits_of(trial, task, texts=texts, title=title)
    kept = [one for side in largest(found, most=MOST) for one in side]
    return {"heading": f"{task}: the candidate beside its baseline", "before": baseline.release,
            "after": trial.candidate.release, "compared": len(trial.candidate.task(task).qrels.queries),
            "exhibits": [one._asdict() for one in kept]}


def _title(corpus: Corpus | None, doc: str) -> str:
    return "" if corpus is None else corpus.documents[corpus.position(doc)].summary


def _read_chapter(one: dict[str, Any]) -> Chapter:
    if set(one) != _CHAPTER:
        raise LookupError(f"a chapter of {sorted(one)}")
    exhibits = tuple(_read_exhibit(row) for row in one["exhibits"])
    return Chapter(str(one["heading"]), str(one["before"]), str(one["after"]), int(one["compared"]), exhibits)


def _read_exhibit(row: dict[str, Any]) -> Exhibit:
    if set(row) != set(Exhibit._fields):
        raise LookupError(f"an exhibit of {sorted(row)}")
    before, after = float(row["before"]), float(row["after"])
    if not (0.0 <= before <= 1.0 and 0.0 <= after <= 1.0):
        raise ValueError(f"not nDCG: {before} → {after}")
    return Exhibit(str(row["query_id"]), row["text"], str(row["change"]), row["asked"], before, after,
                   *(tuple(Hit(str(doc), str(title), None if grade is None else int(grade))
                           for doc, title, grade in row[side]) for side in ("hits_before", "hits_after")))
