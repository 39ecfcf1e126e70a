"""JSON Schemas of tools whose patterns end: what a call can hold must not decide how long its check takes.

Python's `re` goes back over what it matched. A repeat within a repeat, or a choice within one (`^(a+)+$`), doubles the
ways with each further sign, so that thirty signs take minutes; such patterns are refused when the schema is read. What
is left takes a power of the text's length at most, and texts are bounded.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

__all__ = ["LONGEST_PATTERN", "LONGEST_TEXT", "REPEATS", "bounded_validator", "schema_fault"]

LONGEST_PATTERN = 500  # signs
LONGEST_TEXT = 1000  # signs of a text, or a property's name, that is held to a pattern
REPEATS = 2  # without an end, in one pattern: the time is a power of the length
_ENDLESS = 100  # a repeat of so many is as good as one without an end


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """None where a schema is one of draft 2020-12 and its patterns end; else what is wrong, in one line.

    >>> schema_fault({"properties": {"to": {"pattern": "^[a-z]+$"}}})
    >>> schema_fault({"properties": {"to": {"pattern": "^(a+)+$"}}})
    'pattern ^(a+)+$: a repeat or a choice within a repeat may never end'
    """
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
        return next((f"pattern {one[:60]}: {why}" for one in _patterns(schema) if (why := _endless(one))), None)
    except SchemaError as error:
        return error.message[:120]
    except RecursionError:
        return "nested too deep"


@cache
def bounded_validator() -> Any:
    """A validator of draft 2020-12 that holds no text of more than `LONGEST_TEXT` signs to a pattern.

    >>> [one.message for one in bounded_validator()({"pattern": "a"}).iter_errors("a" * 2000)]
    ['2000 signs are too many for a pattern: at most 1000']
    """
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def bounded(rule: Any) -> Any:
        def checked(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
            texts = [instance] if isinstance(instance, str) else instance if isinstance(instance, dict) else []
            if (longest := max(map(len, texts), default=0)) > LONGEST_TEXT:
                yield ValidationError(f"{longest} signs are too many for a pattern: at most {LONGEST_TEXT}")
            else:
                yield from rule(validator, patterns, instance, schema) or ()

        return checked

    names = ("pattern", "patternProperties", "additionalProperties", "unevaluatedProperties")
    made: Callable[..., Any] = extend  # it has no types of its own
    return made(Draft202012Validator, {name: bounded(Draft202012Validator.VALIDATORS[name]) for name in names})


def _patterns(schema: Any) -> Iterator[str]:
    """Everything that stands where a pattern may: what a value only looks like one of is held to the same."""
    for key, value in schema.items() if isinstance(schema, Mapping) else ():
        if key == "pattern" and isinstance(value, str):
            yield value
        if key == "patternProperties" and isinstance(value, Mapping):
            yield from value
        yield from _patterns(value)
    for value in schema if isinstance(schema, list) else ():
        yield from _patterns(value)


def _endless(pattern: str) -> str | None:
    if len(pattern) > LONGEST_PATTERN:
        return f"longer than {LONGEST_PATTERN} signs"
    try:
        repeats = [*_repeats(importlib.import_module("re._parser").parse(pattern))]
    except (re.error, OverflowError) as error:
        return f"no regular expression: {error}"
    if any(inner for _, inner in repeats):
        return "a repeat or a choice within a repeat may never end"
    if sum(most >= _ENDLESS for most, _ in repeats) > REPEATS:
        return f"more than {REPEATS} repeats without an end take too long"
    return None


def _repeats(parsed: Any) -> Iterator[tuple[int, bool]]:
    """Every repeat of a parsed pattern: how often at most, and whether it holds a repeat or a choice itself."""
    for name, held in ((str(name), held) for name, held in parsed):
        inside = [*_parts(held)]
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            most = int(held[1])
            yield most, most > 1 and any(_chooses(part) for part in inside)
        for part in inside:
            yield from _repeats(part)


def _chooses(parsed: Any) -> bool:
    return any(str(name).endswith("_REPEAT") or str(name) in ("BRANCH", "GROUPREF_EXISTS")
               or any(map(_chooses, _parts(held))) for name, held in parsed)


def _parts(held: Any) -> Iterator[Any]:
    """The patterns that one operation of a parsed pattern is made of."""
    for one in held if isinstance(held, tuple | list) else (held,):
        if hasattr(one, "getwidth"):
            yield one
        elif isinstance(one, list):
            yield from (part for part in one if hasattr(part, "getwidth"))
