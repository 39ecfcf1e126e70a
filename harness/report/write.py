"""The reports of one run, on disk: `summary.md` and `report.html` beside the evidence, and CI's step summary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.release.evidence import Evidence
from harness.report.gather import pictures_of
from harness.report.markdown import markdown
from harness.report.page import html
from harness.report.rows import findings_in

__all__ = ["STEP_SUMMARY", "write_reports"]

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def write_reports(evidence: Evidence, folder: Path, *, signed: str | None = None,
                  facts: Mapping[str, object] | None = None,
                  environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Write Markdown and HTML into `folder` and append the Markdown to CI's step summary where one is set.

    Returns the files written. `environ` stands in for the process's environment.
    """
    told = markdown(evidence, signed=signed)
    page = html(evidence, pictures=pictures_of(folder, findings_in(evidence)), signed=signed, facts=facts)
    written = [atomic_write_text(folder / "summary.md", told), atomic_write_text(folder / "report.html", page)]
    step = (os.environ if environ is None else environ).get(STEP_SUMMARY)
    if step:
        try:
            with Path(step).open("a", encoding="utf-8") as stream:
                stream.write(told + "\n")
        except OSError as error:
            raise InputError("cannot be written", where=step, expected=f"the file that {STEP_SUMMARY} names",
                             found=error.strerror) from None
        written.append(Path(step))
    return tuple(written)
