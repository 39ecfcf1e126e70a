"""LightGBM's text of a booster, read before LightGBM reads it, which ends the process over an array that is too short.

What is accepted is what LightGBM writes of plain trees over named features: head, trees of the stated sizes,
importances and parameters, each line where it belongs. Children come after their parents and are reached once, so that
no walk goes in circles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from harness.errors import InputError

__all__ = ["require_booster"]

_HEAD = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
         "feature_names", "feature_infos", "tree_sizes")
_SPLITS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_INNER = ("internal_value", "internal_weight", "internal_count")
_TREE = ("Tree", "num_leaves", "num_cat", *_SPLITS, *_LEAVES, *_INNER, "is_linear", "shrinkage")
_WHOLE, _NUMBER = re.compile(r"-?\d{1,9}"), re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")
_RANGE = re.compile(r"none|\[\S+:\S+\]")
_KINDS = {0, 2, 4, 6, 8, 10}  # of a decision: by a number; what is missing goes left or right, and which values are
_END = re.compile(r"end of trees\n\nfeature_importances:\n(\w+=\d+\n)*\nparameters:\n(\[\w+: [^\n]*\]\n)*"
                  r"\nend of parameters\n\npandas_categorical:null\n")


def require_booster(text: str, names: Sequence[str], *, where: object) -> None:
    """Raise InputError by line where a text is not a whole booster over the features of these names, in their order."""
    head, start = _fields(text, 0, ("tree", *_HEAD), where)
    stated = {"tree": "", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0", "version": "v4",
              "max_feature_idx": str(len(names) - 1), "objective": "quantile", "feature_names": " ".join(names)}
    for name, value in stated.items():
        if head[name] != value:
            raise _fault(where, text, text.index(name), f"{name} {value}".strip(), head[name])
    ranges, sizes = head["feature_infos"].split(" "), head["tree_sizes"].split(" ")
    if len(ranges) != len(names) or not all(map(_RANGE.fullmatch, ranges)):
        raise _fault(where, text, text.index("feature_infos"), f"{len(names)} ranges", len(ranges))
    if not all(map(_WHOLE.fullmatch, sizes)):
        raise _fault(where, text, text.index("tree_sizes"), "bytes of each tree", head["tree_sizes"][:40])
    for place, size in enumerate(map(int, sizes)):
        _tree(text, start, size, place=place, width=len(names), where=where)
        start += size
    if not text.isascii() or "\r" in text or not _END.fullmatch(text, start):
        raise _fault(where, text, start, "end of trees, importances and parameters, in plain text", text[start:][:40])


def _fields(text: str, start: int, names: Sequence[str], where: object) -> tuple[dict[str, str], int]:
    """The values of lines `name=value` in the order of the names, a blank line after them, and where it ends."""
    found = {}
    for name in names:
        end = text.find("\n", start)
        told, sign, value = text[start : max(start, end)].partition("=")
        if end < 0 or told != name or (not sign) != (name == "tree"):
            raise _fault(where, text, start, f"a line {name}=", told[:40])
        found[name], start = value, end + 1
    if text[start : start + 1] != "\n":
        raise _fault(where, text, start, "a blank line", text[start:][:40])
    return found, start + 1


def _tree(text: str, start: int, size: int, *, place: int, width: int, where: object) -> None:
    held, end = _fields(text, start, _TREE, where)
    wrong = _wrong(held, place, width)
    if wrong or end > start + size or text[end : start + size].strip("\n"):
        name, expected = wrong or ("Tree", f"{size} bytes, as tree_sizes says")
        at = text.index(f"{name}=", start)
        raise _fault(where, text, at, f"tree {place}, {name}: {expected}", held[name][:40])


def _wrong(held: dict[str, str], place: int, width: int) -> tuple[str, str] | None:
    """The first field that cannot be, and what was expected of it."""
    stated = {"Tree": str(place), "num_cat": "0", "is_linear": "0"}
    for name, value in stated.items():
        if held[name] != value:
            return name, value
    leaves = int(held["num_leaves"]) if _WHOLE.fullmatch(held["num_leaves"]) else 0
    if not 1 <= leaves <= 1 << 17:
        return "num_leaves", "1 or more"
    for names, count in ((_SPLITS, leaves - 1), (_LEAVES, leaves), (_INNER, leaves - 1), (("shrinkage",), 1)):
        for name in names:
            unsaid = leaves == 1 and name in _LEAVES[1:] and not held[name]  # of a tree that splits nothing
            if not unsaid and not _numbers(held[name], count):
                return name, f"{count} numbers"
    return _misled(held, leaves, width)


def _misled(held: dict[str, str], leaves: int, width: int) -> tuple[str, str] | None:
    """Splits over features that are not there, decisions of a kind that is none, children that no tree has."""
    for name in ("split_feature", "decision_type", "left_child", "right_child"):
        if not all(map(_WHOLE.fullmatch, held[name].split())):
            return name, "whole numbers"
    if not all(0 <= int(one) < width for one in held["split_feature"].split()):
        return "split_feature", f"0 to {width - 1}"
    if not {int(one) for one in held["decision_type"].split()} <= _KINDS:
        return "decision_type", "a number's"
    reached = []
    for name in ("left_child", "right_child"):
        children = [int(one) for one in held[name].split()]
        if not all(-leaves <= child < 0 or node < child < leaves - 1 for node, child in enumerate(children)):
            return name, "a later node or a leaf"
        reached += children
    return None if len(set(reached)) == len(reached) else ("right_child", "each node and each leaf once")


def _numbers(line: str, count: int) -> bool:
    """Whether a line holds so many finite numbers, a blank between two."""
    found = line.split(" ") if line else []
    return len(found) == count and all(_NUMBER.fullmatch(one) and math.isfinite(float(one)) for one in found)


def _fault(where: object, text: str, at: int, expected: str, found: object) -> InputError:
    return InputError("not a booster as LightGBM writes it", where=where, row=text.count("\n", 0, at) + 1,
                      expected=expected, found=found)
