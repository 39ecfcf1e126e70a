"""Every promise measured again, as the table of `docs/estimators.md`: estimator, promise, measured figure.

    python benchmarks/promises.py --out docs/estimators.md [--worlds 2000] [--seed 7]

Each figure comes from seeded worlds whose truth is known. Nothing is typed in but the promises.
"""

from __future__ import annotations

import argparse
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import numpy as np
from promises_calibration import CALIBRATION
from promises_conformal import CONFORMAL
from promises_laws import LAWS
from promises_logged import LOGGED
from promises_means import MEANS
from promises_needs import NEEDS
from promises_sequences import SEQUENCES
from promises_strata import STRATA
from promises_trials import TRIALS
from promises_worlds import Row

import harness.estimators

ALL: list[Row] = [*MEANS, *NEEDS, *STRATA, *LOGGED, *CONFORMAL, *CALIBRATION, *SEQUENCES, *TRIALS, *LAWS]

HEAD = """# Estimators: what each promises, and what a run measured

    python benchmarks/promises.py --out docs/estimators.md --worlds {worlds} --seed {seed}

made this page: do not edit it, run that again. Intervals are asked for 90 %, so that each end may miss .05 of the
time: "misses" are of the lower end (above the truth) / of the upper end (below it). Each rate comes from {worlds:,}
seeded worlds unless it says otherwise; at .05 its standard error is then {error:.3f}. What exceeds its promise by more
than three of them is in **bold**: the docstring says why, and what to use instead. A (twin) is a broken or naive way,
shown for what it does. Functions without randomness of their own promise a law, and the figure is what is left over.

| estimator | promise | world | measured |
|---|---|---|---|
"""
FOOT = """
## What they return

| record | given by |
|---|---|
"""


def line(row: Row, worlds: int, seed: int) -> str:
    """The row measured: its own generator, so that rows may come and go without moving each other's figures."""
    found = row.measure(np.random.default_rng(seed), worlds)
    text = f"**{found.text}**" if found.worst is not None and not found.worst <= row.most(worlds) else found.text
    return f"{key(row)} | {text} |"


def key(row: Row) -> str:
    """What a line says before its figure."""
    return f"| `{row.estimator}` | {row.promise} | {row.world}"


def returned() -> str:
    """Lines of the records that the estimators give, read off their functions' and methods' annotations."""
    names = [f"harness.estimators.{one.name}" for one in pkgutil.iter_modules(harness.estimators.__path__)
             if not one.name.startswith("_")]  # fmt: skip
    modules = [import_module(name) for name in [*names, "harness.metrics.calibration"]]
    public = {name: getattr(module, name) for module in modules for name in module.__all__}
    kinds = {name: one for name, one in public.items() if inspect.isclass(one)}
    calls = {name: one for name, one in public.items() if inspect.isfunction(one)}
    calls |= {f"{name}.{own}": call for name, one in kinds.items() for own, call in vars(one).items()
              if inspect.isfunction(call) and not own.startswith("_")}  # fmt: skip
    lines = []
    for record in sorted(name for name, one in kinds.items() if not hasattr(one, "merge")):
        by = [f"`{name}`" for name, call in sorted(calls.items())
              if re.search(rf"\b{record}\b", str(inspect.signature(call).return_annotation))]  # fmt: skip
        lines.append(f"| `{record}` | {', '.join(by) or 'a part of others'} |\n")
    return "".join(lines)


def page(worlds: int, seed: int) -> str:
    """The whole page."""
    error = (0.05 * 0.95 / worlds) ** 0.5
    lines = []
    for row in ALL:
        lines.append(line(row, worlds, seed) + "\n")
        print(lines[-1], end="", flush=True)
    return HEAD.format(worlds=worlds, seed=seed, error=error) + "".join(lines) + FOOT + returned()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    text = page(asked.worlds, asked.seed)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
