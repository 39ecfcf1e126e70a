"""A saved surrogate whose boosters are edited at random, all digests remade: each load is a line, or a surrogate.

Run in a process of its own, as what is tried here would end it: `python -m tests.latency.edited FOLDER [SEED]`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from harness.data.canonical import digest_of
from harness.data.store import sha256_file
from harness.errors import InputError
from harness.latency import surrogate_file
from harness.latency.surrogate import LatencySurrogate
from harness.latency.surrogate_file import FILES

__all__ = ["forge", "main"]

EDITS = 8
ROWS = np.ones((2, 10)) * [[0.0], [1.0]]
_WORD = re.compile(r"[^\s=]+")
_SAID = ("", "0", "1", "-1", "2", "-2", "7", "99", "-99", "1e300", "nan", "inf", "2147483648", "none", "x",
         "1 1", "\n", "=")


def forge(folder: Path, text: str) -> None:
    """The lower booster's text, and the digests that vouch for it, as a forger would write them."""
    (folder / FILES[1]).write_text(text, encoding="utf-8", newline="")
    held = json.loads((folder / FILES[0]).read_text())
    held["lower_sha256"] = sha256_file(folder / FILES[1])
    held["digest"] = digest_of({key: value for key, value in held.items() if key not in ("digest", "format")})
    (folder / FILES[0]).write_text(json.dumps(held))


def edited(text: str, kind: int, place: float, said: str) -> str:
    """One word of the text in another's place, doubled, or dropped; or one line so."""
    if kind < 3:
        words = list(_WORD.finditer(text))
        one = words[int(place * len(words))]
        return text[: one.start()] + (said, "", f"{one.group()} {one.group()}")[kind] + text[one.end() :]
    lines = text.split("\n")
    at = int(place * len(lines))
    return "\n".join([*lines[:at], *([], [lines[at], lines[at]], [said])[kind - 3], *lines[at + 1 :]])


EDIT = st.tuples(st.integers(0, 5), st.floats(0.0, 1.0, exclude_max=True), st.sampled_from(_SAID))


def main(folder: Path, start: int) -> None:
    """Try it; an assertion that fails, or a process that ends, is the finding."""
    text = (folder / FILES[1]).read_text(encoding="utf-8")
    tried = {"refused": 0, "read": 0, "told badly": 0}

    @seed(start)
    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(EDIT, min_size=1, max_size=EDITS))
    def each(edits: list[tuple[int, float, str]]) -> None:
        forged = text
        for kind, place, said in edits:
            forged = edited(forged, kind, place, said)
        forge(folder, forged)
        try:
            bands = LatencySurrogate.load(folder).interval(ROWS)
        except InputError as error:
            tried["refused" if "\n" not in str(error) else "told badly"] += 1
            return
        tried["read"] += 1
        assert len(bands.low) == 2

    each()
    print(json.dumps(tried))


if __name__ == "__main__":
    if "--trusting" in sys.argv:  # the careless twin hands LightGBM whatever it is given
        mock.patch.object(surrogate_file, "require_booster", return_value=None).start()
    main(Path(sys.argv[1]), int(sys.argv[2]))
