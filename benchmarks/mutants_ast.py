"""The mutants that mutmut leaves out: emptied bodies, logic inside decorated functions, constants of a module."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

# what an emptied function gives back, by what it promises; anything else gives None
_EMPTY = {"Verdict": ("Verdict.PASS",), "tuple[Verdict, str]": ("(Verdict.PASS, '')",), "bool": ("True", "False")}
_SWAPS = {ast.And: ast.Or, ast.Or: ast.And, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
          ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Lt: ast.LtE, ast.GtE: ast.Gt}

Change = tuple[str, str, str, str]  # function, before, after, the module's whole text


def mutants_of(text: str) -> Iterator[Change]:
    """Every mutant of a module's text, in order.

    >>> [(name, after) for name, _, after, _ in mutants_of("A = (1, 2)")]
    [('A', '(2,)'), ('A', '(1,)')]
    >>> [(name, after) for name, _, after, _ in mutants_of("def f(x) -> bool: return x > 1")]
    [('f', 'return True'), ('f', 'return False')]
    """
    tree = ast.parse(text)
    yield from _constants(tree)
    for number, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            yield from _emptied(tree, number, node)
            if node.decorator_list:
                yield from _swapped(tree, number, node)


def _written(tree: ast.Module, number: int, edit: Callable[[ast.AST], None]) -> str:
    """The module's text with one node, found by its place in the walk, edited."""
    twin = copy.deepcopy(tree)
    edit(next(node for place, node in enumerate(ast.walk(twin)) if place == number))
    return ast.unparse(ast.fix_missing_locations(twin))


def _emptied(tree: ast.Module, number: int, node: ast.FunctionDef) -> Iterator[Change]:
    promised = ast.unparse(node.returns) if node.returns else ""
    told = ast.get_docstring(node, clean=False) is not None
    if all(isinstance(line, ast.Pass) for line in node.body[told:]):
        return
    for value in _EMPTY.get(promised, ("None",)):
        line = "yield" if promised.startswith("Iterator") else f"return {value}"

        def edit(found: ast.AST, line: str = line) -> None:
            assert isinstance(found, ast.FunctionDef)
            found.body = ast.parse(line).body

        if ast.unparse(node.body[told:]) != line:
            yield node.name, "the whole body", line, _written(tree, number, edit)


def _swapped(tree: ast.Module, number: int, node: ast.FunctionDef) -> Iterator[Change]:
    """One operator of a decorated function becomes its opposite."""
    inside = [(place, part) for place, part in enumerate(ast.walk(node)) if isinstance(part, (ast.BoolOp, ast.BinOp,
                                                                                             ast.Compare))]
    for place, part in inside:
        operator = part.ops[0] if isinstance(part, ast.Compare) else part.op
        swap = _SWAPS.get(type(operator))
        if swap is None:
            continue

        def edit(found: ast.AST, place: int = place, swap: type = swap) -> None:
            target = next(one for order, one in enumerate(ast.walk(found)) if order == place)
            if isinstance(target, ast.Compare):
                target.ops[0] = swap()
            else:
                target.op = swap()

        twin = copy.deepcopy(node)
        edit(twin)
        after = next(one for order, one in enumerate(ast.walk(twin)) if order == place)
        yield node.name, ast.unparse(part), ast.unparse(after), _written(tree, number, edit)


def _constants(tree: ast.Module) -> Iterator[Change]:
    """One entry of a module's tuple or dictionary is gone; a number is another; `__all__` is held by a house test."""
    for number, node in enumerate(ast.walk(tree)):
        if node not in tree.body or not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if node.targets[0].id == "__all__":
            continue
        for value in _smaller(node.value):
            def edit(found: ast.AST, value: ast.expr = value) -> None:
                assert isinstance(found, ast.Assign)
                found.value = value

            yield node.targets[0].id, ast.unparse(node.value), ast.unparse(value), _written(tree, number, edit)


def _smaller(value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(value, ast.Tuple):
        yield from (ast.Tuple(value.elts[:gone] + value.elts[gone + 1:], ast.Load()) for gone in range(len(value.elts)))
    elif isinstance(value, ast.Dict):
        yield from (ast.Dict(value.keys[:gone] + value.keys[gone + 1:], value.values[:gone] + value.values[gone + 1:])
                    for gone in range(len(value.keys)))
    elif isinstance(value, ast.Constant) and isinstance(value.value, (int, float)):
        yield ast.Constant(value.value + 1 if value.value < 1e6 else value.value * 1000)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield ast.Constant(f"XX{value.value}XX")
