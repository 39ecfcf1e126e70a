"""YAML read strictly, and a model's complaint told as one line: file, line, key, what was expected, the nearest key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import InputError, nearest

__all__ = ["first_error", "read_yaml"]


def read_yaml(raw: bytes, *, where: object) -> tuple[Any, yaml.Node | None]:
    """The value that YAML bytes hold, and the tree of nodes that knows the lines. A key given twice is an error."""
    try:
        loader = _Strict(raw.decode("utf-8"))
        node = loader.get_single_node()  # once, for the value and for the lines: composing is most of the work
        return (None if node is None else loader.construct_document(node)), node
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=where, expected="YAML", found=error.reason) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError("not YAML", where=where, row=mark.line + 1 if mark else None, expected="a YAML mapping",
                         found=getattr(error, "problem", str(error))) from None
    except RecursionError:
        raise InputError("nested too deeply", where=where, expected="a YAML mapping") from None


def first_error(error: ValidationError, model: type[BaseModel], *, where: object, node: yaml.Node | None) -> InputError:
    """The one line that helps most: a misspelt key with the nearest valid one, else the first complaint."""
    found_errors = error.errors(include_url=False)  # a misspelt key also leaves the right one missing: name the typo
    first = next((one for one in found_errors if one["type"] == "extra_forbidden"), found_errors[0])
    path = [part for part in first["loc"] if isinstance(part, int) or not str(part).startswith("function-")]
    key = ".".join(str(part) for part in path) or None
    line = _line_of(node, path)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = sorted(_known_keys(model, path[:-1]))
        return InputError(f"unknown key {path[-1]!r}", where=where, row=line, column=key,
                          expected=f"one of {', '.join(known)}", hint=nearest(str(path[-1]), known))
    found = first.get("input") if not isinstance(first.get("input"), Mapping) else None
    return InputError(message, where=where, row=line, column=key, found=found)


def _known_keys(model: Any, path: list[int | str]) -> Iterator[str]:
    """Keys that are valid at a place below `model`, read off the models themselves."""
    for part in path:
        if isinstance(part, int):
            continue
        field = next((one for name, one in model.model_fields.items() if part in {name, one.alias}), None)
        model = _model_in(field.annotation) if field is not None else None
        if model is None:
            return
    yield from (one.alias or name for name, one in model.model_fields.items())


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(one) for one in getattr(annotation, "__args__", ()))
    return next((one for one in inner if one is not None), None)


def _line_of(node: yaml.Node | None, path: list[int | str]) -> int | None:
    line = node.start_mark.line + 1 if node is not None else None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            pair = (node.value[part], node.value[part])
        else:
            pair = None
        if pair is None:
            return line
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


class _Strict(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, and tells the line of a value that only looks like one."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
            kind = str(node.tag).rpartition(":")[2]  # a month 99, a number of 5000 digits, !!bool of something else
            problem = f"not a value of type {kind}: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else repr(key))
        return super().construct_mapping(node, deep)
