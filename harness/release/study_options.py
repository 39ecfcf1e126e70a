"""What a manifest may say of its studies: measurements beyond one run of the judged queries, each with its own options.

A study runs where a row of the policy is of its family; without options it takes the ones that stand here.
"""

from __future__ import annotations

from pydantic import Field

from harness.release.parts import RouterPart
from harness.release.schema import Model, Source

__all__ = ["RoutedStudy", "Studies"]


class RoutedStudy(Model):
    """The spend rule of a recorded release: a trace with a row a query, and how a router is fitted to it.

    `full` is the spend of the full stage; the largest one of the trace unless given.
    """

    spends: Source | None = None
    router: RouterPart = RouterPart()
    full: int | None = Field(None, ge=1, strict=True)


class Studies(Model):
    """Options by study."""

    routed: RoutedStudy = RoutedStudy()
