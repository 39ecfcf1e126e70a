"""The log of decisions that an audit reads: what was done, how likely, what it earned, and what it cannot have moved.

Rows are alike within a stratum in all that was known before the action. What is left of an effect there, on an outcome
that the action cannot have moved, was brought in by something that the log does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.data.log_table import Batch, column_of_labels, column_of_numbers, column_of_probabilities
from harness.data.logs import Roles, basics
from harness.data.tables import find_column
from harness.errors import InputError, nearest
from harness.estimators.strata import Strata, merge_sparse, quantile_bins, strata_of
from harness.records import Floats
from harness.release.observed import Bools, Trial
from harness.release.studied.choices import Choices, Labels, choices_of, fitted_propensities
from harness.shown import brief

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BINS", "LEAST", "STUDY", "DecisionLog", "Labels", "LogColumns", "decisions_of", "shuffled_within"]

STUDY = "confounded"

BINS = 10  # deciles, of a column of numbers
LEAST = 50  # rows under which a stratum joins its neighbour


class LogColumns(NamedTuple):
    """Which column of a user's log is what.

    Attributes:
        reward: What the logged action earned.
        propensity: The log's probability of it, in (0, 1]; None where it was not logged: it is then fitted.
        target: The target policy's probability of that same action, in [0, 1].
        action: What was done: text or whole numbers.
        strata: Known before the action, the most important first; numbers of more than ten values go by deciles.
        controls: Numbers that no action can have moved.
        unit: Rows of one value depend on each other (a user, a query); None where rows are independent.
        slices: Every value of these is a slice, `column=value`.
        reference: The action that changes nothing; None is the first in order.
        context: Known before the action: what models of rewards and propensities read; empty is the strata.
        prefix: Before an action's name: the column of the target's probability of it, for doubly robust values.
        language: A propensity model each value of this column; None is `language`, where one of the others is it.
    """

    reward: str
    propensity: str | None
    target: str
    action: str
    strata: tuple[str, ...]
    controls: tuple[str, ...]
    unit: str | None = None
    slices: tuple[str, ...] = ()
    reference: str | None = None
    context: tuple[str, ...] = ()
    prefix: str | None = None
    language: str | None = None

    @property
    def names(self) -> list[str]:
        """Every column that is read by its own name, each once: those of the prefix come beside."""
        told = [*self[:4], *self.strata, *self.controls, self.unit, *self.slices, *self.context, self.language]
        return list(dict.fromkeys(name for name in told if name))

    def beside(self, known: Sequence[str]) -> list[str]:
        """Those of the `known` columns that the prefix names too."""
        return [name for name in known if self.prefix and name.startswith(self.prefix)]


@dataclass(frozen=True, eq=False)
class DecisionLog:
    """Logged decisions, n rows.

    Attributes:
        units: (n,) labels; rows of one share what no stratum tells, and intervals of means are by them.
        actions: (n,) what was done, as text.
        exposed: (n,) 0 where that was the action that changes nothing, else 1.
        shuffled: (n,) `exposed`, dealt out anew within strata: what it seems to do is chance.
        reward: (n,) what was earned.
        propensity: (n,) the log's probability of the action, in (0, 1].
        target: (n,) the target policy's probability of it, in [0, 1].
        strata: Of the rows, by what was known before.
        controls: Name → (n,) numbers that no action can have moved.
        slices: Name → (n,) bool; `all` is always there.
        choices: Contexts and every action's probability, where they are known.
    """

    units: Labels
    actions: Labels
    exposed: Floats
    shuffled: Floats
    reward: Floats
    propensity: Floats
    target: Floats
    strata: Strata
    controls: Mapping[str, Floats]
    slices: Mapping[str, Bools]
    choices: Choices | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.reward)

    def where(self, mask: Bools) -> DecisionLog:
        """The rows where `mask` (n,) is true, in strata of their own."""
        cut = {name: value[mask] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return DecisionLog(**cut, strata=strata_of(self.strata.codes[mask]) if mask.any() else _NONE,
                           controls={name: values[mask] for name, values in self.controls.items()},
                           slices={name: held[mask] for name, held in self.slices.items()},
                           choices=None if self.choices is None else self.choices.where(mask))

    def slice(self, name: str) -> DecisionLog:
        """The rows of a slice. Raises InputError for an unknown one, with the nearest, and for one without rows."""
        if name not in self.slices:
            raise InputError("no such slice", where="log", expected=f"one of {', '.join(self.slices)}", found=name,
                             hint=nearest(name, self.slices))
        if not self.slices[name].any():
            raise InputError("no rows", where=f"log, slice {name}", expected="at least one decision")
        return self if self.slices[name].all() else self.where(self.slices[name])

    def forgetful(self) -> DecisionLog:
        """The same decisions as one tells them who forgot the context: marginal propensities, and a single stratum."""
        _, code, counts = np.unique(self.actions, return_inverse=True, return_counts=True)
        return replace(self, propensity=counts[code] / len(self), strata=strata_of(np.zeros(len(self), dtype=np.int64)))

    @classmethod
    def of(cls, frame: pd.DataFrame | Batch, columns: LogColumns, *, rng: np.random.Generator,
           least: int = LEAST) -> DecisionLog:
        """Read a table, whatever its columns are called.

        Args:
            frame: A row a decision.
            columns: Which column is what.
            rng: Deals out the exposures anew.
            least: Rows under which a stratum joins its neighbour, by counts alone.

        Raises:
            InputError: A column that is not there (the nearest is named), no row, no control, a value that is missing
                or no number, a propensity outside (0, 1], a reference that is no action of the log; as `choices_of`
                and, where propensities were not logged, `fitted_propensities`.

        >>> import pandas as pd
        >>> frame = pd.DataFrame({"clicked": [1, 0, 1, 0], "p": 0.5, "pi": 0.5, "spend": [0, 20, 0, 20],
        ...                       "lang": ["de", "de", "en", "en"], "words": [3, 4, 5, 6]})
        >>> log = DecisionLog.of(frame, LogColumns("clicked", "p", "pi", "spend", ("lang",), ("words",)),
        ...                      rng=np.random.default_rng(1), least=1)
        >>> log.exposed.tolist(), log.strata.names
        ([0.0, 1.0, 0.0, 1.0], ('de', 'en'))
        """
        batch = frame if isinstance(frame, Batch) else _batch(frame)
        for name in columns.names:
            find_column(list(batch.columns), [name], batch.path)
        if not columns.controls or not columns.strata:
            raise InputError("nothing to audit by", where=batch.path,
                             expected="at least one column of strata, and a control that no action can have moved")
        actions = column_of_labels(batch, columns.action, "the action").astype(np.str_)
        cells = merge_sparse(strata_of(*(_cell(batch, name) for name in columns.strata)), least=least)
        exposed = (actions != _reference(batch, columns, actions)).astype(np.float64)
        units = column_of_labels(batch, columns.unit, "a unit") if columns.unit else np.arange(len(actions))
        shuffled = shuffled_within(exposed, cells, rng)
        rows, choices = _rows(batch, columns, actions, units, rng)
        return cls(units, actions, exposed, shuffled, *rows, cells,
                   {name: column_of_numbers(batch, name) for name in columns.controls},
                   _slices(batch, columns.slices), choices)


_NONE = Strata(np.empty(0, dtype=np.int64), (), (), np.empty(0, dtype=np.int64))


def decisions_of(trial: Trial) -> DecisionLog:
    """The candidate's log. Raises InputError where the study was not made: nothing measured is no pass."""
    found = trial.candidate.studies.get(STUDY)
    if not isinstance(found, DecisionLog):
        raise InputError("no log of decisions", where=trial.candidate.release,
                         expected="live parts with a reranker, or studies.confounding.log", found=None)
    return found


def shuffled_within(values: Floats, strata: Strata, rng: np.random.Generator) -> Floats:
    """(n,) the values dealt out anew among the rows of each stratum, and nowhere else.

    >>> cells = strata_of(["a", "a", "b", "b"])
    >>> sorted(shuffled_within(np.array([1.0, 2.0, 3.0, 4.0]), cells, np.random.default_rng(1))[:2].tolist())
    [1.0, 2.0]
    """
    dealt = np.empty_like(values)
    dealt[np.argsort(strata.codes, kind="stable")] = values[np.lexsort((rng.random(len(values)), strata.codes))]
    return dealt


def _batch(frame: pd.DataFrame) -> Batch:
    if not len(frame):
        raise InputError("no rows", where="log", expected="at least one decision")
    return Batch("log", {str(name): frame[name].to_numpy() for name in frame.columns}, lambda at: at + 1)


def _rows(batch: Batch, columns: LogColumns, actions: Labels, units: Labels,
          rng: np.random.Generator) -> tuple[tuple[Floats, Floats, Floats], Choices | None]:
    """Reward, propensity and target, and what stands behind them; propensities that were not logged are fitted."""
    if columns.propensity is not None:
        rows = basics(batch, Roles(columns.reward, columns.propensity, columns.target))
        return rows, choices_of(batch, columns, actions, target=rows[2])
    target = column_of_probabilities(batch, columns.target, zero=True)
    choices = choices_of(batch, columns, actions, target=target)
    assert choices is not None and choices.context is not None
    found = fitted_propensities(choices.context, choices.taken, names=choices.names, levels=choices.levels,
                                units=units, rng=rng)
    own = found.chances[np.arange(len(target)), choices.taken]
    return ((column_of_numbers(batch, columns.reward), own, target),
            replace(choices, chances=found.chances, groups=found.groups))


def _cell(batch: Batch, name: str) -> Labels:
    """Labels as they are; numbers of more than ten values by their deciles."""
    values = batch.columns[name]
    if values.dtype.kind in "iuf" and len(np.unique(values)) > BINS:
        return quantile_bins(column_of_numbers(batch, name), bins=BINS)
    return column_of_labels(batch, name, "the name of a stratum")


def _reference(batch: Batch, columns: LogColumns, actions: Labels) -> str:
    """As told, else the least of the actions, numbers by size."""
    known: list[str] = np.unique(actions).tolist()
    if columns.reference is None:
        numbers = [one for one in known if one.lstrip("-").isdecimal()]
        return min(numbers, key=int) if len(numbers) == len(known) else known[0]
    if columns.reference not in known:
        raise InputError("no such action", where=batch.path, column=columns.action, found=columns.reference,
                         expected=f"one of {', '.join(known[:6])}", hint=nearest(columns.reference, known))
    return columns.reference


def _slices(batch: Batch, names: tuple[str, ...]) -> dict[str, Bools]:
    held = {"all": np.ones(len(next(iter(batch.columns.values()))), dtype=np.bool_)}
    for name in names:
        labels = column_of_labels(batch, name, "the name of a slice").astype(np.str_)
        held |= {f"{name}={value}": labels == value for value in np.unique(labels).tolist()}
    return held
