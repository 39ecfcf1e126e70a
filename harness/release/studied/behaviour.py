"""A stochastic logging policy over queries measured at every spend: a log whose propensities are known for sure.

The policy looks at what strata are made of and at nothing else: it spends more on queries of low NL-confidence, long
ones, and some languages. Hard queries are then reranked more often, so that who forgets the context sees spending do
harm; within strata every query had the same chances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.estimators.strata import Strata, merge_sparse, quantile_bins, strata_of
from harness.records import Floats
from harness.release.spends import SpendTable
from harness.release.studied.choices import Choices
from harness.release.studied.decisions import BINS, LEAST, DecisionLog, Labels, shuffled_within

__all__ = ["CONTROL", "LANGUAGE", "LENGTH", "at_spends", "by_rule", "context_of", "logged", "quarter",
           "spending_policy"]

LANGUAGE, LENGTH = "package=", "length="
CONTROL = "nDCG@10 at spend 0"  # no spend can change it
_LENGTHS = 3  # bins of the query's length, where no slices of it are at hand
_LEAN = (0.7, 0.15, 0.15)  # how much confidence, length and language count


def logged(table: SpendTable, *, target: Floats, rng: np.random.Generator, draws: int = 4, strength: float = 1.0,
           least: int = LEAST) -> DecisionLog:
    """The log that the policy would have written over the table's queries, each asked `draws` times.

    Args:
        table: Queries at each spend; `where` picks the judged ones.
        target: (n, S) probability of each spend under the policy on trial.
        rng: Draws the spends.
        draws: Decisions a query; intervals of means are by query.
        strength: How much the policy heeds the context; 0 spends at random.
        least: Rows under which a stratum joins its neighbour.

    Raises:
        InputError: A table without the signals `nl_confidence` and `length`, or a target of another shape.
    """
    if target.shape != table.quality.shape:
        raise InputError("not the target of this table", where="target", expected=str(table.quality.shape),
                         found=str(target.shape))
    rows = np.repeat(np.arange(len(table)), draws)
    context = [column[rows] for column in context_of(table)]
    cells = merge_sparse(strata_of(*context), least=least)
    policy = spending_policy(cells, _lean(*context), spends=len(table.spends), strength=strength)
    taken = (rng.random(len(rows))[:, None] > np.cumsum(policy, axis=1)[:, :-1]).sum(axis=1)
    exposed = (taken > 0).astype(np.float64)
    return DecisionLog(
        _units(table)[rows], np.array(table.spends)[taken].astype(np.str_), exposed,
        shuffled_within(exposed, cells, rng), table.quality[rows, taken], policy[np.arange(len(rows)), taken],
        target[rows, taken], cells, {CONTROL: table.quality[rows, 0]},
        {name: held[rows] for name, held in table.slices.items()}, _choices(table, target, rows, taken))


def spending_policy(strata: Strata, lean: Floats, *, spends: int, strength: float) -> Floats:
    """(n, spends) probabilities: a softmax of the stratum's mean lean, the same for all rows of a stratum.

    Args:
        strata: Of the rows.
        lean: (n,) from -1 (spend nothing) to 1 (spend all).
        spends: Steps of the ladder, the cheapest first.
        strength: Logit of the dearest step at a lean of 1; that of the cheapest is minus this.

    >>> found = spending_policy(strata_of(["a", "a", "b"]), np.array([0.5, 0.7, -0.6]), spends=3, strength=1.0)
    >>> found.round(2).tolist()
    [[0.16, 0.3, 0.54], [0.16, 0.3, 0.54], [0.54, 0.3, 0.16]]
    """
    mean = (np.bincount(strata.codes, lean) / strata.counts)[strata.codes]
    logits = strength * np.multiply.outer(mean, np.linspace(-1.0, 1.0, spends))
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)


def quarter(table: SpendTable) -> Floats:
    """(n, S) the policy that reranks a uniform quarter: nothing for three in four, else any spend with equal chance.

    A stated target where no spend rule is at hand.
    """
    others = len(table.spends) - 1
    return np.tile([0.75, *[0.25 / others] * others], (len(table), 1))


def by_rule(table: SpendTable, chosen: NDArray[Any]) -> Floats:
    """(n, S) the policy that takes the spend that a rule chose for each query, `chosen` (n,), and no other.

    Raises:
        InputError: A spend that the table was not measured at.
    """
    for spend in np.unique(chosen).tolist():
        table.at(int(spend))
    return np.asarray(chosen[:, None] == np.array(table.spends), dtype=np.float64)


def at_spends(table: SpendTable, spends: Sequence[int]) -> SpendTable:
    """The same queries at some of the spends, in the order given. Raises InputError for one that was not measured."""
    places = [table.at(spend) for spend in spends]
    ladders = {name: getattr(table, name)[:, places] for name in ("quality", "jaccard", "rerank_ms")}
    return replace(table, spends=tuple(spends), **ladders)


def context_of(table: SpendTable) -> tuple[Labels, Labels, Labels]:
    """NL-confidence decile, length and language of each query, (n,) each: whole numbers, the latter two by order.

    Lengths are the table's slices `length=…`, short to long, where it has them, else thirds of the signal; languages
    its slices `package=…`, one for all where it has none.
    """
    for name in ("nl_confidence", "length"):
        if name not in table.signals and not (name == "length" and _named(table, LENGTH)):
            raise InputError("the strata lack a signal", where="spend table", column=f"signal:{name}",
                             expected="nl_confidence and length", found=", ".join(table.signals))
    confidence = quantile_bins(table.signals["nl_confidence"], bins=BINS)
    return confidence, _lengths(table), _labels(table, _named(table, LANGUAGE))


def _lengths(table: SpendTable) -> Labels:
    """(n,) the place of the query's slice of length, short to long where the signal tells, else its third."""
    names, words = _named(table, LENGTH), table.signals.get("length")
    if not names and words is not None:
        return quantile_bins(words, bins=_LENGTHS)
    if words is not None:
        names = sorted(names, key=lambda name: float(np.mean(words, where=table.slices[name])) if table.slices[
            name].any() else np.inf)
    return _labels(table, names)


def _choices(table: SpendTable, target: Floats, rows: NDArray[Any], taken: NDArray[Any]) -> Choices:
    """What a log would hold beside: signals and language, never a measured quality; and what the target truly earns."""
    language = context_of(table)[2]
    known = [signal for signal in table.signals.values() if np.isfinite(signal).all()]
    context = np.column_stack([*known, *(language == one for one in np.unique(language))])
    return Choices(tuple(map(str, table.spends)), taken.astype(np.int64), context[rows], target[rows], language[rows],
                   earned=(target * table.quality).sum(axis=1)[rows])


def _units(table: SpendTable) -> Labels:
    """(n,) a name for each query that is its own among all tasks."""
    return np.array([f"{task}/{query}" for task, query in zip(table.tasks, table.queries, strict=True)])


def _named(table: SpendTable, prefix: str) -> list[str]:
    return [name for name in table.slices if name.startswith(prefix)]


def _labels(table: SpendTable, names: Sequence[str]) -> Labels:
    """(n,) the place of the query's slice among those named; of none, one past the last."""
    labels = np.full(len(table), len(names), dtype=np.int64)
    for place, name in reversed(list(enumerate(names))):
        labels[table.slices[name]] = place
    return labels


def _lean(confidence: Labels, length: Labels, language: Labels) -> Floats:
    """(n,) from -1 to 1: low confidence, long queries and languages of even place are spent more on."""
    parts = (-_centred(confidence), _centred(length), 1.0 - 2.0 * (language % 2))
    return np.asarray(sum(weight * part for weight, part in zip(_LEAN, parts, strict=True)), dtype=np.float64)


def _centred(labels: Labels) -> Floats:
    return np.asarray(2.0 * labels / max(int(labels.max()), 1) - 1.0, dtype=np.float64)
