"""Every promise measured again, as the table of `docs/estimators.md`: estimator, promise, measured figure.

    python benchmarks/promises.py --out docs/estimators.md [--worlds 2000] [--seed 7]

Each figure comes from seeded worlds whose truth is known. Miss rates are of the lower and of the upper end; rows of
estimators that are not there yet are left out. Nothing is typed in but the promises.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from promises_logged import LOGGED
from promises_trials import TRIALS
from promises_worlds import ROWS, Row

ALL = [*ROWS, *LOGGED, *TRIALS]

HEAD = """# Estimators: what each promises, and what a run measured

    python benchmarks/promises.py --out docs/estimators.md --worlds {worlds} --seed {seed}

made this page: do not edit it, run that again. Intervals are asked for 90 %, so that each end may miss .05 of the
time: "misses" are of the lower end (above the truth) / of the upper end (below it). Each rate comes from {worlds:,}
seeded worlds unless it says otherwise; at .05 its standard error is then {error:.3f}. What exceeds its promise by more
than three of them is in **bold**: the docstring says why, and what to use instead.

| estimator | promise | world | measured |
|---|---|---|---|
"""


def line(row: Row, worlds: int, seed: int) -> str:
    found = row.measure(np.random.default_rng(seed), worlds)
    text = f"**{found.text}**" if found.worst is not None and found.worst > row.most(worlds) else found.text
    return f"{key(row)} | {text} |"


def key(row: Row) -> str:
    """What a line says before its figure."""
    return f"| `{row.estimator}` | {row.promise} | {row.world}"


def there(row: Row) -> bool:
    """Whether the row's module is in the harness."""
    return importlib.util.find_spec(f"harness.estimators.{row.module}") is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    error = (0.05 * 0.95 / asked.worlds) ** 0.5
    lines = [line(row, asked.worlds, asked.seed) for row in ALL if there(row)]
    text = HEAD.format(worlds=asked.worlds, seed=asked.seed, error=error) + "\n".join(lines) + "\n"
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
