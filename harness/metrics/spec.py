"""A measure is a value with one spelling: name, options, depth, unit and direction travel together.

Spelt as ir_measures spells: `nDCG@10`, `AP(rel=2)`, `nDCG(dcg='exp-log2')@10` (gain 2^grade - 1; without it the gain is
the grade, as in trec_eval). `MRR` is read as `RR` and `Contain@50` as `Success@50`. This module imports only the
standard library, so that a manifest can be checked before numpy is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from harness.errors import UsageError, nearest

__all__ = ["ALIASES", "CATALOGUE", "EXPONENTIAL", "LINEAR", "MetricSpec", "parse"]

LINEAR = "log2"
EXPONENTIAL = "exp-log2"
ALIASES = MappingProxyType({"MRR": "RR", "MAP": "AP", "Recall": "R", "Precision": "P", "Contain": "Success",
                            "Hit": "Success", "NDCG": "nDCG"})
_FORM = re.compile(r"(?P<name>[A-Za-z]+)(?:\((?P<options>[^()]*)\))?(?:@(?P<k>\d+))?")
_OPTION = re.compile(r"\s*(?P<key>[a-z]+)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[0-9.]+)\s*")


@dataclass(frozen=True)
class MetricSpec:
    """One measure.

    Attributes:
        name: The field's name, such as `nDCG`.
        k: Depth of the cut, from 1; None for the whole ranking.
        unit: `1`: all of these are shares or means within [0, 1].
        higher_is_better: Direction.
        rel: The smallest grade that counts as relevant (binary measures).
        dcg: Gain and discount of nDCG: `log2` (the grade) or `exp-log2` (2^grade - 1).
        p: Persistence of RBO, in (0, 1).

    >>> str(MetricSpec("AP", rel=2, k=100))
    'AP(rel=2)@100'
    """

    name: str
    k: int | None = None
    unit: str = "1"
    higher_is_better: bool = True
    rel: int = 1
    dcg: str = LINEAR
    p: float = 0.9

    def __str__(self) -> str:
        options = [f"{key}={getattr(self, key)!r}" for key in _TAKES[self.name] if getattr(self, key) != _DEFAULT[key]]
        inside = "p=" + repr(self.p) if self.name == "RBO" else ", ".join(options)
        return self.name + (f"({inside})" if inside else "") + (f"@{self.k}" if self.k is not None else "")

    @property
    def compares_runs(self) -> bool:
        """True for measures of two runs (RBO, Jaccard), which need no judgements."""
        return self.name in {"RBO", "Jaccard"}


def parse(text: str) -> MetricSpec:
    """Read a measure's spelling; `parse(str(spec)) == spec`.

    Raises UsageError that names the nearest known spelling.

    >>> parse("nDCG@10")
    MetricSpec(name='nDCG', k=10, unit='1', higher_is_better=True, rel=1, dcg='log2', p=0.9)
    >>> str(parse("MRR@10")), str(parse("Contain@50"))
    ('RR@10', 'Success@50')
    """
    found = _FORM.fullmatch(text.strip())
    name = _canonical(found["name"]) if found else None
    if found is None or name is None:
        hint = nearest(text, [*map(str, CATALOGUE), *_TAKES, *ALIASES])
        raise UsageError(f"unknown measure {text!r}; expected a spelling such as nDCG@10, RR, AP(rel=2)"
                         + (f" (nearest: {hint})" if hint else ""))
    k = None if found["k"] is None else int(found["k"])
    _check_depth(name, k, text)
    return MetricSpec(name, k=k, **_options(name, found["options"], text))  # type: ignore[arg-type]


_DEFAULT = MappingProxyType({"rel": 1, "dcg": LINEAR, "p": 0.9})
_TAKES = MappingProxyType({"nDCG": ("dcg",), "RR": ("rel",), "AP": ("rel",), "R": ("rel",), "P": ("rel",),
                           "Success": ("rel",), "RBO": ("p",), "Jaccard": ()})
_NEEDS_DEPTH = frozenset({"R", "P", "Success", "Jaccard"})


_FOLDED = MappingProxyType({known.casefold(): known for known in _TAKES}
                           | {alias.casefold(): known for alias, known in ALIASES.items()})


def _canonical(name: str) -> str | None:
    return _FOLDED.get(name.casefold())


def _check_depth(name: str, k: int | None, text: str) -> None:
    if k is None and name in _NEEDS_DEPTH:
        raise UsageError(f"measure {text!r} needs a depth; expected such as {name}@10")
    if k is not None and k < 1:
        raise UsageError(f"measure {text!r} has depth {k}; expected 1 or more")
    if k is not None and name == "RBO":
        raise UsageError(f"measure {text!r} has a depth; expected none: RBO weighs all depths by p")


def _options(name: str, inside: str | None, text: str) -> dict[str, object]:
    options: dict[str, object] = {}
    for part in inside.split(",") if inside and inside.strip() else []:
        found = _OPTION.fullmatch(part)
        key = found["key"] if found else part.strip()
        if found is None or key not in _TAKES[name] or key in options:
            raise UsageError(f"measure {text!r} has a wrong option {part.strip()!r}; expected each once of: "
                             + (", ".join(_TAKES[name]) or "none"))
        options[key] = _option(key, found["value"].strip("'\""), text)
    return options


def _option(key: str, value: str, text: str) -> object:
    if key == "dcg" and value in {LINEAR, EXPONENTIAL}:
        return value
    if key == "rel" and value.isdigit() and int(value) >= 1:
        return int(value)
    if key == "p" and re.fullmatch(r"0?\.\d+", value) and float(value) > 0.0:
        return float(value)
    expected = {"dcg": f"{LINEAR!r} or {EXPONENTIAL!r}", "rel": "a grade from 1", "p": "a number in (0, 1)"}[key]
    raise UsageError(f"measure {text!r} has {key}={value}; expected {expected}")


CATALOGUE = MappingProxyType({str(spec): spec for spec in (
    MetricSpec("nDCG"), MetricSpec("nDCG", k=10), MetricSpec("nDCG", k=10, dcg=EXPONENTIAL),
    MetricSpec("RR"), MetricSpec("RR", k=10), MetricSpec("AP"), MetricSpec("AP", k=100), MetricSpec("AP", rel=2),
    MetricSpec("R", k=5), MetricSpec("R", k=100), MetricSpec("P", k=10), MetricSpec("Success", k=50),
    MetricSpec("RBO"), MetricSpec("Jaccard", k=10),
)})
