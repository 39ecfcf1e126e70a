"""What `signoff hunt` does, apart from its words: both releases asked, mutations searched, finds pinned, a gallery."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.live import live_release, task_of, tell
from harness.data.store import atomic_write_text, unlisted
from harness.data.task import Task
from harness.errors import InputError, UsageError, nearest
from harness.hunting.gallery import Chapter, exhibits_of, gallery
from harness.hunting.hunt import Hunted, hunt, largest_finds
from harness.hunting.pinning import mutated_chapter, pin_of
from harness.hunting.properties import PROPERTIES, surface_of, try_property
from harness.hunting.regressions import Data, NamedPin, Pinned, name_of, read_pins, write_pin
from harness.hunting.replaying import Bench, answerer_of, replayed
from harness.hunting.searching import Arena, Profile
from harness.hunting.synonyms import Lexicon, lexicon_of
from harness.metrics.evaluate import per_query
from harness.records import Floats, Run
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures.regressions import MEASURE, broken_pins
from harness.release.observed import Observed, TaskObserved, Trial
from harness.release.observing import baseline_of
from harness.release.recording import recorded_trial

__all__ = ["EXAMPLES", "GALLERY", "Ground", "Options", "gallery_alone", "ground_of", "hunted", "relations"]

GALLERY = "regression_gallery.md"
EXAMPLES = ".examples"
_SHOWN = 5


@dataclass(frozen=True)
class Options:
    """How to hunt: the profile, the seed of its first round, for how long, in which queries, what to keep and where."""

    profile: Profile
    seed: int
    minutes: float
    slice: str
    threshold: float
    most: int
    out: Path


@dataclass(frozen=True, eq=False)
class Ground:
    """The two releases on one task, loaded and asked every plain query."""

    loaded: Loaded
    live: LiveRelease
    arena: Arena
    trial: Trial

    @property
    def shown(self) -> bool:
        """True where query texts may be shown in a report: those of the embedded corpus."""
        return self.loaded.manifest.data.corpus is not None

    def title(self, doc_id: str) -> str:
        """The summary that a document is known by."""
        corpus = self.live.world.corpus
        return corpus.documents[corpus.position(doc_id)].summary


def ground_of(manifest: Path, task_name: str | None, options: Options) -> Ground:
    """Load candidate and baseline and ask them every judged query. Raises InputError for a recorded manifest."""
    loaded = load_manifest(manifest)
    if loaded.manifest.parts is None:
        raise InputError("recorded files answer no mutated query, so there is nothing to hunt in", where=manifest,
                         expected="live parts (--gallery shows the plain losses and gains of recorded files)")
    loaded, built, live = live_release(manifest)
    task = task_of(built.world, task_name).judge()
    chosen = TaskObserved(task.name, task.qrels, _NOTHING, slices=task.slices).mask(options.slice)
    candidate = _asked(loaded, live, task)
    other = None if loaded.manifest.baseline is None else _baseline(loaded, live)
    baseline = None if other is None else _asked(baseline_of(loaded), other, task)
    arena = Arena(
        Bench(task, answerer_of(live, task)), None if other is None else Bench(task, answerer_of(other, task)),
        _scores(candidate, task), None if baseline is None else _scores(baseline, task), chosen, options.threshold,
        _lexicon(live))
    tell("")
    return Ground(loaded, live, arena, Trial(candidate, baseline, loaded.manifest.seed))


def hunted(ground: Ground, options: Options) -> dict[str, Any]:
    """Hunt, pin what is new, write the gallery, and return the document that is told. Old pins are read first."""
    before, pins = read_pins(options.out), replayed(ground.trial.candidate, options.out)
    if not options.profile.derandomised:
        unlisted(options.out / EXAMPLES)
    until = time.monotonic() + 60.0 * options.minutes
    found = hunt(ground.arena, profile=options.profile, seed=options.seed, examples=options.out / EXAMPLES,
                 more=lambda: time.monotonic() < until, tell=tell)
    tell("trying the relations")
    laws = relations(ground.live, ground.arena.candidate.task)
    tell("")
    made, known = _pins(ground, found, options), {name_of(one.pin) for one in before}
    new = [write_pin(options.out, pin) for pin in made if name_of(pin) not in known]
    return {
        "release": ground.loaded.manifest.release, "baseline": ground.loaded.manifest.baseline,
        "task": ground.arena.candidate.task.name, "slice": options.slice, "profile": options.profile.name,
        "seed": options.seed, "examples": found.examples, "threshold": options.threshold, "searches": found.tallies,
        "over_threshold": len(found.finds), "finds": [_told(pin, known) for pin in made], "relations": laws,
        "pinned": [str(path) for path in new],
        "replayed": {"pins": len(pins.pins), "broken": broken_pins(pins), "elsewhere": pins.elsewhere,
                     "settled": _settled(before, ground)},
        "gallery": str(_gallery(ground, found)), "asked": [check.measure for check in ground.loaded.manifest.checks]}


def gallery_alone(manifest: Path, task_name: str | None) -> dict[str, Any]:
    """The gallery of plain queries, of live parts or of recorded files (ids in the place of texts)."""
    loaded = load_manifest(manifest)
    if not loaded.manifest.has_baseline:
        raise InputError("a gallery needs two releases", where=manifest, column="baseline", expected="a baseline")
    if loaded.manifest.recorded is None:
        raise UsageError("hunt: --gallery is for recorded files; a hunt writes the gallery of live parts itself")
    trial = recorded_trial(loaded)
    names = list(trial.candidate.tasks)
    if task_name is not None and task_name not in names:
        raise InputError("no such task", where=manifest, expected=", ".join(names), found=task_name,
                         hint=nearest(task_name, names))
    exhibits = exhibits_of(trial, task_name or names[0])
    compared = len(trial.candidate.task(task_name or names[0]).qrels.queries)
    path = _written(loaded.manifest.release, [Chapter(_PLAIN, "baseline", "candidate", compared, exhibits)])
    return {"release": loaded.manifest.release, "compared": compared, "differ": len(exhibits), "gallery": str(path)}


def relations(live: LiveRelease, task: Task) -> list[dict[str, Any]]:
    """Every relation tried: its counterexample, or None; `untried` says why one could not be tried on this release.

    Raises InputError where the release itself fails: that is no relation that holds, nor one that does not apply.
    """
    surface, told = surface_of(live, task.texts), []
    for name, one in PROPERTIES.items():
        row: dict[str, Any] = {"relation": name, "claim": one.claim, "examples": 0, "counterexample": None,
                               "untried": None}
        try:
            tried = try_property(name, surface)
            row |= {"examples": tried.examples, "counterexample": tried.counterexample}
        except InputError as error:
            if error.where != "properties":  # the release's own
                raise
            row["untried"] = str(error)
        told.append(row)
    return told


_PLAIN = "Plain queries: the candidate beside its baseline"
_NOTHING = Run.of([], [], [])


def _baseline(loaded: Loaded, live: LiveRelease) -> LiveRelease:
    other = live_release(baseline_of(loaded).path)[2]
    if other.world.digest != live.world.digest:
        raise InputError("candidate and baseline answer over different data", where=loaded.path, column="baseline",
                         expected=live.world.digest[:12], found=other.world.digest[:12])
    return other


def _lexicon(live: LiveRelease) -> Lexicon:
    tell("reading what the corpus lends to mutations")
    return lexicon_of([document.text for document in live.world.corpus.documents])


def _asked(loaded: Loaded, live: LiveRelease, task: Task) -> Observed:
    tell(f"running {loaded.manifest.release} on {task.name}: {len(task):,} queries")
    run, before, best = live.answer(task)
    seen = TaskObserved(task.name, task.qrels, run, before, best=best)
    return Observed(loaded.manifest.release, loaded.manifest.config_hash, {task.name: seen}, live=live)


def _scores(observed: Observed, task: Task) -> Floats:
    return per_query(observed.task(task.name).run, task.qrels, MEASURE, queries=task.query_ids)


def _pins(ground: Ground, found: Hunted, options: Options) -> list[Pinned]:
    world, release = ground.live.world, ground.loaded.manifest.release
    data = Data(corpus=world.corpus.name, digest=world.digest)
    return [pin_of(find, ground.arena, release=release, data=data, profile=options.profile)
            for find in largest_finds(found.finds, most=options.most)]


def _told(pin: Pinned, known: set[str]) -> dict[str, Any]:
    body = pin.model_dump(mode="json")
    shown = ("query_id", "query", "mutated", "steps", "against", "ndcg", "loss", "found")
    return {"name": name_of(pin), "new": name_of(pin) not in known, **{key: body[key] for key in shown}}


def _settled(pins: tuple[NamedPin, ...], ground: Ground) -> list[str]:
    """Known losses that are none any more: worth the status `fixed`."""
    bench, world = ground.arena.candidate, ground.live.world
    row_of = {name: row for row, name in enumerate(bench.task.query_ids)}
    mine = [one for one in pins if one.pin.data.digest == world.digest and one.pin.task == bench.task.name]
    return [one.name for one in mine if one.pin.status == "known" and one.pin.query_id in row_of
            and one.pin.reference - bench.score(one.pin.mutated, row_of[one.pin.query_id]) < ground.arena.threshold]


def _gallery(ground: Ground, found: Hunted) -> Path:
    title: Callable[[str], str] = ground.title
    task = ground.arena.candidate.task
    chapters = [mutated_chapter(found, ground.arena, most=_SHOWN, shown=ground.shown, title=title)]
    if ground.trial.baseline is not None:
        texts = dict(zip(task.query_ids, task.texts, strict=True)) if ground.shown else None
        exhibits = exhibits_of(ground.trial, task.name, texts=texts, title=title)
        name = ground.trial.baseline.release
        chapters.insert(0, Chapter(_PLAIN, name, ground.trial.candidate.release, len(task), exhibits))
    return _written(ground.loaded.manifest.release, chapters)


def _written(release: str, chapters: list[Chapter]) -> Path:
    return atomic_write_text(Path("reports") / release / GALLERY, gallery(release, chapters, most=_SHOWN))
