"""Measures of what a reader is given: data quality of its passages, governance of its few-shots.

| measure | its number |
|---|---|
| `passages over budget` | passages longer than their words, or that no prompt of the budget has room for |
| `prefix leakage` | passages under which the lexical index holds words of their contextual prefix alone |
| `near-duplicate share` | passages taken out as near-duplicates, of all that the documents were cut into |
| `snapshot breadth` | least share of the baseline's documents, passages, domains and ranges of ids |
| `few-shot leaks` | judged questions whose words or gold answer stand in a few-shot, exactly or nearly |
| `few-shot differences` | judged questions that get other shots when pool or questions come in another order |

All are counted over everything there is; none is sampled, so none has an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.generation.few_shot_leaks import leaks
from harness.generation.prefix_leaks import leaked_prefixes
from harness.generation.prompts import count_tokens
from harness.generation.shapes import Shot
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.readied_rows import ReadiedObserved
from harness.release.studied.snapshot import breadth, snapshot_of

__all__ = ["BREADTH", "DIFFERENCES", "DUPLICATES", "EXAMPLES", "LEAKS", "OVER", "PREFIXES", "STUDY", "owns", "read"]

STUDY = "readied"
OVER, PREFIXES, DUPLICATES = "passages over budget", "prefix leakage", "near-duplicate share"
BREADTH, LEAKS, DIFFERENCES = "snapshot breadth", "few-shot leaks", "few-shot differences"
EXAMPLES = (OVER, PREFIXES, DUPLICATES, BREADTH, LEAKS, DIFFERENCES)
_NAMED = 3  # at fault, in a note


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("prefix leakage"), owns("leaked judgements")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Count one fault off the study; the note names the first that have it.

    Raises InputError without the study or the part of it that is asked for, and for any slice but `all`.

    >>> from fixtures.shots import readied_of
    >>> from fixtures.trials import sound
    >>> from harness.release.policy import Limit
    >>> row = Check("gate", "prefix leakage", None, "all", Limit("at_most", 0.0, "value"))
    >>> read(sound(queries=20).with_study("readied", readied_of()), row).estimate.value
    0.0
    """
    from harness.release.studies import study  # loads live parts

    record = study(trial, STUDY, ReadiedObserved)
    if check.slice != "all":
        raise InputError("is counted over all", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    return _READERS[check.measure](record, check.confidence)


def _counted(value: float, n: int, confidence: float, *, unit: str, note: str = "", **details: float) -> Reading:
    """`details`: their names in words, `_` for a space."""
    told: dict[str, float | str] = {name.replace("_", " "): float(number) for name, number in details.items()}
    return Reading(Estimate(value, value, value, n, confidence, "counted", unit), details=told, note=note)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _over(record: ReadiedObserved, confidence: float) -> Reading:
    held = record.need(record.passages, "passages").all
    lengths = [(len(one.text.split()), count_tokens(one.prefix) + count_tokens(one.text)) for one in held]
    over = [one.id for one, (words, tokens) in zip(held, lengths, strict=True)
            if words > record.chunk_words or tokens > record.budget]
    longest, dearest = (max((each[at] for each in lengths), default=0) for at in (0, 1))
    return _counted(float(len(over)), len(held), confidence, unit="passages", note=_first(over), most_words=longest,
                    most_tokens=dearest)


def _prefixes(record: ReadiedObserved, confidence: float) -> Reading:
    held = record.need(record.passages, "passages").all
    leaked = leaked_prefixes(held, record.need(record.held, "a lexical index"))
    return _counted(float(len(leaked)), len(held), confidence, unit="passages", note=_first(leaked))


def _duplicates(record: ReadiedObserved, confidence: float) -> Reading:
    passages = record.need(record.passages, "passages")
    removed, n = len(passages.removed), len(passages) + len(passages.removed)
    return _counted(removed / n if n else 0.0, n, confidence, unit="1", note=f"{removed:,} of {n:,} passages",
                    removed=removed)


def _breadth(record: ReadiedObserved, confidence: float) -> Reading:
    now = snapshot_of(record.need(record.passages, "passages"))
    least = breadth(now, record.need(record.baseline, "a baseline's passages"))
    note = f"{least.where}: {least.now:,}, and {least.before:,} in the baseline"
    return _counted(least.share, len(now.documents), confidence, unit="1", note=note, passages=now.passages)


def _leaks(record: ReadiedObserved, confidence: float) -> Reading:
    pool = record.need(record.shots, "few-shots").shots
    items = record.need(record.items, "gold answers")
    told = [Shot(f"prompt {at}", text, "") for at, text in enumerate(record.told)]
    found = leaks(items, [*pool, *told])
    worst = sorted(found, key=lambda leak: (-leak.score, leak.item))
    note = _first([f"{one.part} of {one.item} in {one.shot} ({one.how})" for one in worst])
    return _counted(float(len({one.item for one in found})), len(items), confidence, unit="questions", note=note,
                    shots_in_the_pool=len(pool), shots_at_fault=len({one.shot for one in found}))


def _differences(record: ReadiedObserved, confidence: float) -> Reading:
    picks = record.need(record.picks, "few-shots that questions were given")
    other = (picks != picks[:1]).any(axis=(0, 2))
    shown = int((picks != "").any(axis=(0, 2)).sum())  # who was shown nothing was shown nothing else
    return _counted(float(other.sum()), shown, confidence, unit="questions",
                    orders_tried=len(picks))


_READERS: dict[str, Callable[[ReadiedObserved, float], Reading]] = {
    OVER: _over, PREFIXES: _prefixes, DUPLICATES: _duplicates, BREADTH: _breadth, LEAKS: _leaks,
    DIFFERENCES: _differences}
