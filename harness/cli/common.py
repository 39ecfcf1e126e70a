"""What the verbs share: where output goes, how numbers become JSON, and the options they spell alike."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path, PurePath
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["JsonFlag", "MeasureOption", "console", "emit_json", "own_code", "plain", "print_json", "prose", "tell"]

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option("--measure", "-m", metavar="MEASURE", help="A measure such as nDCG@10, AP, RR@10, R@100; repeatable."),
]


def console(*, as_json: bool = False) -> Console:
    """Where words for people go: stdout, or stderr where stdout belongs to a JSON document."""
    from rich.console import Console

    return Console(file=sys.stderr if as_json else sys.stdout, highlight=False, soft_wrap=False)


def prose(out: Console, line: str, *, style: str | None = None) -> None:
    """Print a sentence in the console's width, indented after its first line; a path too long for it sticks out whole.

    Words are never cut, and square brackets are what they are.
    """
    lead = " " * (len(line) - len(line.lstrip()))
    for part in wrap(line, width=out.width, subsequent_indent=f"{lead}  ", break_long_words=False,
                     break_on_hyphens=False):
        out.print(part, style=style, markup=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Write the one JSON document of a `--json` call to stdout."""
    sys.stdout.write(emit_json(document) + "\n")


def tell(what: str) -> None:
    """A line of progress on stderr; on a terminal the next one takes its place."""
    wide = sys.stderr.isatty()
    sys.stderr.write(f"\r\x1b[2K{what[:78]}" if wide else f"{what}\n" if what else "")
    sys.stderr.flush()


def emit_json(document: object) -> str:
    """Strict JSON, keys in the order given; NaN and infinities become the words "nan", "inf", "-inf".

    >>> emit_json({"low": float("-inf"), "n": 3})
    '{"low": "-inf", "n": 3}'
    """
    return json.dumps(plain(document), ensure_ascii=False, allow_nan=False)


def plain(value: object) -> Any:
    """A value as JSON knows it: tuples with names become objects, numpy scalars numbers, paths text."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, PurePath) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def own_code() -> None:
    """A callable of the user's own is found from where the verb was started, as gates find it; last, hiding none."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
