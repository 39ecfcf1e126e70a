"""How far the leakage guard of few-shots reaches: planted leaks at graded distances, and alarms where there is none.

    python benchmarks/few_shot.py [--world FOLDER] [--out docs/few-shot.md]

200 judged questions of the embedded documentation, drawn by the seed, are planted in a pool with their gold answers,
each changed in one way and to one degree. Caught is what the guard finds for the very item that was planted. The table
is written between the marks of the page, or printed.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from harness.data.corpus import World
from harness.data.pyanswers.build import build_pyanswers
from harness.data.store import atomic_write_text
from harness.defects.readied import edited
from harness.estimators.proportions import clopper_pearson
from harness.generation.few_shot import curated, items_of
from harness.generation.few_shot_leaks import leaks
from harness.generation.shapes import Shot
from harness.hunting.synonyms import Lexicon, lexicon_of

Change = Callable[[str, np.random.Generator], str]
SEED, PLANTED = 42, 200
START, END = "<!-- few_shot.py -->", "<!-- /few_shot.py -->"


def words_changed(share: float, lexicon: Lexicon) -> Change:
    """A share of the words (rounded up) gives way to one of the same company; words that have none stay."""
    def change(text: str, rng: np.random.Generator) -> str:
        told = text.split()
        able = [at for at, word in enumerate(told) if word.lower() in lexicon.synonyms]
        for at in rng.permutation(able)[: int(np.ceil(share * len(told)))].tolist():
            others = lexicon.synonyms[told[at].lower()]
            told[at] = others[int(rng.integers(len(others)))]
        return " ".join(told)

    return change


def words_dropped(share: float) -> Change:
    """A share of the words is left out."""
    def change(text: str, rng: np.random.Generator) -> str:
        told = text.split()
        gone = set(rng.permutation(len(told))[: round(share * len(told))].tolist())
        return " ".join(word for at, word in enumerate(told) if at not in gone)

    return change


def first_part(share: float) -> Change:
    """The first share of the words."""
    return lambda text, _: " ".join(text.split()[: max(1, round(share * len(text.split())))])


def turned(text: str, _: np.random.Generator) -> str:
    """The second half of the words before the first."""
    told = text.split()
    return " ".join(told[len(told) // 2 :] + told[: len(told) // 2])


def ways(lexicon: Lexicon) -> Iterator[tuple[str, Change]]:
    """What is done to a planted text, by name."""
    yield "as it is", lambda text, _: text
    yield "other case, spaces and signs", lambda text, _: text.upper().replace(" ", "  ").replace(".", " !")
    yield "within a longer text", lambda text, _: f"Somebody asked the other day: {text} Nobody knew what to say then."
    for share in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4):
        yield f"{share:.0%} of letters changed", lambda text, rng, share=share: edited(text, share, rng)
    for share in (0.1, 0.2, 0.3, 0.5):
        yield f"{share:.0%} of words dropped", words_dropped(share)
    for share in (0.1, 0.2, 0.3, 0.5, 1.0):
        yield f"up to {share:.0%} of words said otherwise", words_changed(share, lexicon)
    yield "the first half alone", first_part(0.5)
    yield "halves in the other order", turned


def told(found: int, n: int) -> str:
    """A share with its exact 95 % interval."""
    one = clopper_pearson(float(found), float(n), confidence=0.95)
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]"


def table(world: World) -> str:
    """Both tables as Markdown."""
    task, golds = world.task("answers"), world.answers
    assert golds is not None
    items, pool = items_of(task, golds), curated(task, golds, seed=SEED)
    chosen = [items[at] for at in np.random.default_rng(SEED).permutation(len(items))[:PLANTED].tolist()]
    lines = ["| what was done to it | questions caught | answers caught |", "|---|---|---|"]
    for name, change in ways(lexicon_of([one.text for one in world.corpus.documents])):
        rng = np.random.default_rng(SEED)
        held = [Shot(one.id, change(one.question, rng), change(one.answer, rng)) for one in chosen]
        own = {(leak.item, leak.part) for leak in leaks(chosen, held) if leak.item == leak.shot}
        count = Counter(part for _, part in own)
        lines.append(f"| {name} | {told(count['question'], PLANTED)} | {told(count['answer'], PLANTED)} |")
    lines += ["", "| where nothing was planted | shots at fault |", "|---|---|"]
    fit = items_of(task, golds, fold="fit")
    lines.append(f"| the curated pool | {told(len({x.shot for x in leaks(items, pool.shots)}), len(pool))} |")
    apart = {shot.shot for package in sorted({one.id.partition(".")[0] for one in items})
             for shot in leaks([one for one in items if one.id.startswith(f"{package}.")],
                               [one for one in fit if not one.id.startswith(f"{package}.")])}
    lines.append(f"| questions to learn from, beside judged ones of other packages | {told(len(apart), len(fit))} |")
    whole = {leak.shot for leak in leaks(items, fit)}
    lines.append(f"| questions to learn from, beside all judged ones | {told(len(whole), len(fit))} |")
    return "\n".join(lines)


def main() -> None:
    """Run, and write or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, help="a saved world instead of building one")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    made = table(World.load(options.world) if options.world else build_pyanswers(seed=SEED))
    if options.out is None:
        print(made)
        return
    page = options.out.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    atomic_write_text(options.out, f"{before}{START}\n{made}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
