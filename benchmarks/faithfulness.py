"""What faithfulness sees: readers that invent at known rates, what was planted beside what was measured.

    python benchmarks/faithfulness.py [--out docs/faithfulness.svg] [--questions 600]

On the embedded corpus: BM25, the extractive reader with the options below, and readers that change a share of its
sentences: one of another question's answer in its place, every number another, the contrary. Planted is the share of an
answer's content tokens that stand in changed sentences; measured is what its faithfulness lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.data.pyanswers.build import build_pyanswers
from harness.defects.answered_readers import Invents
from harness.estimators.intervals import mean_interval
from harness.estimators.ratios import ratio_interval
from harness.generation.choosing import Chooser, word_index
from harness.generation.extractive import ExtractiveReader
from harness.generation.passages import passages_of
from harness.metrics.answers import faithfulness, sentences
from harness.report.svg import Scale, circle, document, line, path, text, ticks
from harness.retrieval.bm25 import Bm25

RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
KINDS = {"elsewhere": "a sentence from elsewhere", "renumbered": "other numbers", "denied": "the contrary"}
DOCUMENTS, PASSAGES, PER_DOCUMENT, WORDS, SEED, CONFIDENCE = 20, 5, 1, 80, 42, 0.9
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 480.0, 400.0, 48.0, 40.0, 12.0, 44.0


class Answer(NamedTuple):
    """A sound answer, the passages that it cites, and the module of its question."""

    question: str
    text: str
    cited: list[str]
    cluster: str


class Point(NamedTuple):
    """One rate of one kind: over how many answers, planted, lost with its interval, and lost for each one planted."""

    kind: str
    rate: float
    n: int
    planted: float
    lost: Any
    slope: Any


def sound(questions: int) -> list[Answer]:
    """The extractive reader's answers to judged questions, those that it gave."""
    world = build_pyanswers(seed=SEED)
    task = world.task("answers").judge()
    passages = passages_of(world.corpus, chunk_words=WORDS)
    chooser = Chooser(passages, word_index(passages), documents=DOCUMENTS, shown=PASSAGES, per_document=PER_DOCUMENT)
    first = Bm25().fit([one.text for one in world.corpus.documents])
    rows = np.random.default_rng(SEED).permutation(len(task))[:questions]
    hits = first.retrieve([task.texts[row] for row in rows], k=DOCUMENTS).codes
    found = []
    for row, codes in zip(rows.tolist(), hits, strict=True):
        shown = chooser.choose(task.texts[row], [int(code) for code in codes if code >= 0])
        reply = ExtractiveReader().read(task.texts[row], shown)
        texts = {one.id: one.text for one in shown}
        found.append(Answer(task.texts[row], reply.text, [texts[name] for name in reply.cited], task.clusters[row]))
    return [one for one in found if one.text]


def points(answers: Sequence[Answer]) -> Iterator[Point]:
    """Every kind at every rate. Other numbers are planted in answers that have any."""
    others = [sentence for one in answers for sentence in sentences(one.text)]
    for kind in KINDS:
        held = [one for one in answers if kind != "renumbered" or any(map(str.isdigit, one.text))]
        before = faithfulness([one.text for one in held], [one.cited for one in held])
        clusters = np.array([one.cluster for one in held], dtype=object)
        for rate in RATES:
            reader = Invents(ExtractiveReader(), rate, kind, others, SEED)
            broken = [reader.planted(one.question, one.text) for one in held]
            after = faithfulness([one.text for one in broken], [one.cited for one in held])
            planted, lost = np.array([one.share for one in broken]), before - after
            yield Point(kind, rate, len(held), float(planted.mean()),
                        mean_interval(lost, clusters=clusters, confidence=CONFIDENCE, support=(-1.0, 1.0)),
                        ratio_interval(lost, planted, clusters=clusters, confidence=CONFIDENCE) if rate else None)


def rows(found: Sequence[Point], answers: Sequence[Answer]) -> Iterator[str]:
    """The table that the page shows."""
    whole = faithfulness([one.text for one in answers], [one.cited for one in answers])
    yield f"Sound: faithfulness {whole.mean():.3f} over {len(answers):,} answers."
    yield ""
    yield "| planted | sentences changed | answers | planted share of tokens | faithfulness lost (90 %) | seen |"
    yield "|---|--:|--:|--:|--:|--:|"
    for one in found:
        if one.slope is None:  # nothing was planted, nothing can have been lost
            continue
        seen = f"{one.slope.value:.0%} ({one.slope.low:.0%} to {one.slope.high:.0%})"
        yield (f"| {KINDS[one.kind]} | {one.rate:.0%} | {one.n:,} | {one.planted:.3f} | {one.lost.value:.3f} "
               f"({one.lost.low:.3f} to {one.lost.high:.3f}) | {seen} |")


def picture(found: Sequence[Point]) -> str:
    """Lost over planted, a line a kind; what would be seen whole is the dotted one."""
    x, y = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT), Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    parts = [text(0, 16, "Invented share of an answer, planted and measured", bold=True)]
    for value in ticks(0.0, 1.0, count=5):
        parts += [line(x(value), y(0.0), x(value), y(1.0)), line(x(0.0), y(value), x(1.0), y(value)),
                  text(x(value), HEIGHT - BOTTOM + 16, f"{value:g}", colour="muted", anchor="middle"),
                  text(LEFT - 6, y(value) + 4, f"{value:g}", colour="muted", anchor="end")]
    parts += [text(WIDTH - RIGHT, HEIGHT - 8, "planted share of content tokens", colour="muted", anchor="end"),
              text(0, 32, "faithfulness lost", colour="muted"),
              line(x(0.0), y(0.0), x(1.0), y(1.0), colour="muted", dash="4 4")]
    told = []
    for kind, name in KINDS.items():
        own = [one for one in found if one.kind == kind]
        ends = [(x(one.planted), y(max(0.0, one.lost.value))) for one in own]
        parts.append(path(ends, colour="accent"))
        for one, (across, up) in zip(own, ends, strict=True):
            if one.slope is not None:
                parts.append(line(across, y(max(0.0, one.lost.low)), across, y(min(1.0, one.lost.high)), colour="ink"))
            parts.append(circle(across, up, 3.0, colour="accent"))
        parts.append(text(ends[-1][0] - 6, ends[-1][1] - 8, name, anchor="end"))
        told.append(f"{name}: " + ", ".join(f"{one.planted:.2f} planted {one.lost.value:.2f} lost" for one in own))
    return document(WIDTH, HEIGHT, parts, title="What faithfulness sees", desc="; ".join(told))


def main() -> None:
    """Measure, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description="What faithfulness sees of what was invented")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--questions", type=int, default=1202)
    options = parser.parse_args()
    answers = sound(options.questions)
    found = list(points(answers))
    for told in rows(found, answers):
        print(told)
    if options.out is not None:
        options.out.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
