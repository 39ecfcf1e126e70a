"""Small changes, found on one half of the queries to learn from and judged on the other; nothing is ever applied.

Halves are whole modules, so that no query of the half that judges resembles one that was searched. Of each knob and
domain the value that is best on the first half is judged on the second, once; intervals are corrected for how many
are judged (Bonferroni), so that a week in which nothing helps ends in a suggestion at most one time in twenty.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval
from harness.records import Floats, Ids
from harness.release.observed import Bools
from harness.triage.causes import domain_of

__all__ = ["EVERYWHERE", "Nudge", "Option", "halves", "judged"]

EVERYWHERE = "all"
_LEAST = 30  # queries of either half from which on a domain is looked at by itself


class Option(NamedTuple):
    """One value that a knob could take instead of what it has; `by_domain`: whether domains may differ in it."""

    knob: str
    before: str
    after: str
    by_domain: bool = False


class Nudge(NamedTuple):
    """The best option of a knob in a domain.

    Attributes:
        option: What would change.
        domain: Where; `all` for everywhere.
        found: Mean difference on the half where it was found.
        effect: Mean difference on the other half, paired by query, clustered by module, corrected.
        suggested: Whether even the least of it is a gain.
    """

    option: Option
    domain: str
    found: float
    effect: Estimate
    suggested: bool


def halves(clusters: Sequence[str], *, seed: int) -> Bools:
    """(n,) true for the half that is searched: whole modules, so that each package and all of them are about halved.

    Modules of a package are dealt the largest first, of equals by a hash of name and seed, each to the half that has
    less of the package, then to the one that has less of all.

    >>> halves(["a.b", "a.c", "a.b", "a.c"], seed=1).sum()
    np.int64(2)
    """
    sizes = Counter(clusters)
    order = sorted(sizes, key=lambda name: (domain_of(name), -sizes[name], _dealt(name, seed)))
    whole, place = [0, 0], dict[str, int]()
    for domain in dict.fromkeys(map(domain_of, order)):
        here = [0, 0]
        for name in (one for one in order if domain_of(one) == domain):
            half = min((0, 1), key=lambda side: (here[side], whole[side], (side + int(_dealt(domain, seed), 16)) % 2))
            place[name] = half
            here[half] += sizes[name]
            whole[half] += sizes[name]
    return np.array([place[name] == 0 for name in clusters], dtype=np.bool_)


def _dealt(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def judged(base: Floats, tried: Mapping[Option, Floats], clusters: Sequence[str], *, seed: int,
           confidence: float = 0.9) -> list[Nudge]:
    """The best option of each knob and domain, judged on the half that it was not found on.

    Args:
        base: (n,) each query's value as the release is, in [0, 1].
        tried: Option → (n,) the same queries' values with it.
        clusters: (n,) modules.
        seed: Which modules are searched.
        confidence: Of all intervals together, two-sided.

    Returns:
        Nudges whose option gained where it was found, the surest first; none where nothing gained.

    Raises:
        InputError: Columns of different length, or too few modules for two halves.
    """
    for option, values in tried.items():
        if len(values) != len(base) or len(clusters) != len(base):
            raise InputError("columns differ in length", where="nudges", column=option.knob, expected=str(len(base)),
                             found=len(values))
    domains = np.array([domain_of(one) for one in clusters], dtype=object)
    split = _Split(halves(clusters, seed=seed), np.asarray(clusters, dtype=object), domains)
    if min(len(set(split.clusters[half])) for half in (split.search, ~split.search)) < 2:
        raise InputError("too few modules for two halves", where="nudges", expected="two or more in each",
                         found=len(set(clusters)))
    best = _best(base, tried, split)
    level = 1.0 - (1.0 - confidence) / max(1, len(best))
    found = [_nudge(option, domain, tried[option] - base, split, level) for domain, option in best]
    return sorted(found, key=lambda one: (-one.effect.low, one.option, one.domain))


class _Split(NamedTuple):
    """Which rows are searched, of which module and domain each is."""

    search: Bools
    clusters: Ids
    domains: Ids

    def rows(self, domain: str) -> Bools:
        if domain == EVERYWHERE:
            return np.ones(len(self.domains), dtype=np.bool_)
        return np.asarray(self.domains == domain)


def _best(base: Floats, tried: Mapping[Option, Floats], split: _Split) -> list[tuple[str, Option]]:
    """(domain, the knob's best option on the half that is searched) where it gains there."""
    found = []
    for knob in dict.fromkeys(option.knob for option in tried):
        options = [option for option in tried if option.knob == knob]
        named = sorted(set(split.domains.tolist())) if options[0].by_domain else []
        for domain in (EVERYWHERE, *(named if len(named) > 1 else [])):
            rows = split.rows(domain)
            if domain != EVERYWHERE and min((rows & split.search).sum(), (rows & ~split.search).sum()) < _LEAST:
                continue
            gains = {option: float((tried[option] - base)[rows & split.search].mean()) for option in options}
            option = max(gains, key=lambda one: gains[one])
            if gains[option] > 0.0:
                found.append((domain, option))
    return found


def _nudge(option: Option, domain: str, change: Floats, split: _Split, level: float) -> Nudge:
    rows = split.rows(domain)
    here = rows & ~split.search
    effect = mean_interval(change[here], clusters=split.clusters[here], support=(-1.0, 1.0), confidence=level)
    return Nudge(option, domain, float(change[rows & split.search].mean()), effect, bool(effect.low > 0.0))
