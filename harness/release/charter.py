"""Who stands behind a release: owners, who may override a gate or a rollback, and who is called after how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from harness.release.schema import Model

__all__ = ["Charter", "Escalation", "Override", "Severity", "seconds_of"]

Severity = Literal["info", "warning", "critical", "emergency"]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("not a name: expected printable text")
    return text


_Name = Annotated[str, Field(min_length=1, max_length=200, strict=True), AfterValidator(_printable)]
_Span = Annotated[str, Field(pattern=r"^\d{1,6}[smhd]$", strict=True)]


class Override(Model):
    """Who may set a verdict or a rollback aside, what exactly that is, and how many of them must agree."""

    who: _Name
    may: _Name
    needs: int = Field(1, ge=1, le=100, strict=True)


class Escalation(Model):
    """Who is called when an alert of a severity, or a graver one, stays open for so long."""

    severity: Severity
    after: _Span = "0m"
    to: _Name


class Charter(Model):
    """The section `contract:` of a manifest.

    >>> Charter(owners=("search team",), overrides=(Override(who="release managers", may="hold a rollback", needs=2),))
    Charter(owners=('search team',), overrides=(Override(who='release managers', may='hold a rollback', needs=2),), \
escalation=())
    """

    owners: tuple[_Name, ...] = Field(min_length=1)
    overrides: tuple[Override, ...] = ()
    escalation: tuple[Escalation, ...] = ()


def seconds_of(span: str) -> int:
    """Seconds of a span as manifests write it: a whole number and one of s, m, h, d.

    Raises ValueError for anything else.

    >>> seconds_of("3m"), seconds_of("48h")
    (180, 172800)
    """
    if not span[:-1].isdigit() or span[-1:] not in _UNITS:
        raise ValueError(f"not a span: {span!r}")
    return int(span[:-1]) * _UNITS[span[-1]]
