"""The project's own tools as a registry offers them: backups, pointer, trail, admission, questions and evaluation.

What changes something works on a scratch store; a release is asked, and never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from sqlalchemy import Connection

from harness.data.canonical import digest_of
from harness.errors import InputError, nearest
from harness.governance.registry import Tool
from harness.governance.scratch import ENVIRONMENT, REHEARSED, WHO, Scratch
from harness.release.manifest import Loaded
from harness.release.measures import family_of
from harness.release.trust import Trust, TrustedKey
from harness.rollout.admitting import admit
from harness.rollout.backup import Index, create_backup, list_backups, restore_backup, verify_backup
from harness.rollout.files import alone
from harness.rollout.pointer import admitted_in, compare_with_trail, current, flip, history
from harness.rollout.trail import entries, verify_trail

__all__ = ["Asks", "Scene", "offered"]

Asks = Callable[[str], Mapping[str, float]]
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_PLACE = {"type": "string", "pattern": "^[a-z][a-z0-9.-]*$"}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


@dataclass(eq=False)
class Scene:
    """What the tools work on.

    Attributes:
        scratch: The store that may be changed.
        loaded: The release's manifest.
        questions: Ids of the judged queries that may be asked.
        asks: Asks one by its id: figures by name, each in [0, 1].
        ticks: Seconds that the rehearsal's clock has gone, one a change.
    """

    scratch: Scratch
    loaded: Loaded
    questions: tuple[str, ...] = ()
    asks: Asks = field(default=lambda _: {})
    ticks: int = 0

    def now(self) -> datetime:
        """The rehearsal's next moment."""
        self.ticks += 1
        return REHEARSED + timedelta(seconds=self.ticks)


def offered(scene: Scene) -> list[Tool]:
    """Every tool of a scene."""
    return [*_reading(scene), *_changing(scene), *_asking(scene)]


def _reading(scene: Scene) -> list[Tool]:
    manifest = scene.loaded.manifest
    return [
        Tool("pointer_read", "Say which release serves an environment.", {"environment": _PLACE},
             lambda said, _: _pointer(scene, said["environment"])),
        Tool("pointer_history", "Count the moves of an environment's pointer, and hold them to the trail.",
             {"environment": _PLACE}, lambda said, _: _moves(scene, said["environment"])),
        Tool("releases_list", "List what may serve an environment.", {"environment": _PLACE},
             lambda said, _: {"releases": _read(scene, lambda one: admitted_in(one, said["environment"]))}),
        Tool("trail_verify", "Hold every row of the audit trail to its hash.", {}, lambda _said, _: _trail(scene)),
        Tool("backup_list", "List the backups there are.", {},
             lambda _said, _: {"backups": [one.id for one in list_backups(scene.scratch.store)]}),
        Tool("backup_verify", "Hash every part of a backup.", {"name": _TEXT},
             lambda said, _: {"id": verify_backup(scene.scratch.store, said["name"]).id}),
        Tool("manifest_read", "Say the release's name, seed and configuration digest.", {},
             lambda _said, _: {"release": manifest.release, "seed": manifest.seed,
                               "config_hash": manifest.config_hash}),
        Tool("policy_read", "List the policy's gates with the family that measures each.", {},
             lambda _said, _: {"gates": [[check.id, check.own_gate or family_of(check.measure)]
                                         for check in manifest.checks]}),
    ]


def _changing(scene: Scene) -> list[Tool]:
    return [
        Tool("backup_create", "Keep everything that serves or may serve.", {"why": _TEXT},
             lambda said, dry: _backed_up(scene, said["why"], dry), mutating=True),
        Tool("backup_restore", "Bring a backup back.", {"name": _TEXT},
             lambda said, dry: _restored(scene, said["name"], dry), mutating=True),
        Tool("pointer_flip", "Point an environment at another admitted release.",
             {"environment": _PLACE, "release": _DIGEST, "why": _TEXT},
             lambda said, dry: _flipped(scene, said, dry), mutating=True),
        Tool("release_admit", "Let a signed release serve an environment.", {"environment": _PLACE, "release": _TEXT},
             lambda said, dry: _admitted(scene, said, dry), mutating=True),
    ]


def _asking(scene: Scene) -> list[Tool]:
    return [
        Tool("question_ask", "Ask the release one judged question, by its id.", {"query_id": _TEXT},
             lambda said, _: _asked(scene, said["query_id"])),
        Tool("evaluate", "Ask the first judged questions and average their figures.",
             {"questions": {"type": "integer", "minimum": 1, "maximum": 1000}},
             lambda said, _: _evaluated(scene, said["questions"])),
    ]


def _read(scene: Scene, reader: Callable[[Connection], Any]) -> Any:
    with scene.scratch.store.reading() as connection:
        return reader(connection)


def _pointer(scene: Scene, environment: str) -> dict[str, Any]:
    found = _read(scene, lambda one: current(one, environment))
    if found is None:
        raise InputError("nothing serves there", where=environment, expected="an environment with a release")
    return {"environment": environment, "stable": found.stable, "candidate": found.candidate, "seq": found.seq}


def _moves(scene: Scene, environment: str) -> dict[str, Any]:
    rows, told = _read(scene, lambda one: (history(one, environment), entries(one)))
    compare_with_trail(rows, told)
    return {"moves": len(rows)}


def _trail(scene: Scene) -> dict[str, Any]:
    rows = _read(scene, entries)
    verify_trail(rows)
    return {"rows": len(rows)}


def _backed_up(scene: Scene, why: str, dry: bool) -> dict[str, Any]:
    if dry:
        return {"would keep": len(_read(scene, lambda one: admitted_in(one, ENVIRONMENT)))}
    with alone(scene.scratch.store.home):
        made = create_backup(scene.scratch.store, who=WHO, why=why, now=scene.now())
    return {"id": made.id, "releases": len(made.releases)}


def _restored(scene: Scene, name: str, dry: bool) -> dict[str, Any]:
    if dry:
        known = [one for one in list_backups(scene.scratch.store) if isinstance(one, Index)]
        return {"would restore": verify_backup(scene.scratch.store, name).id, "of": len(known)}
    done = restore_backup(scene.scratch.store, name, confirmed=True, who=WHO, now=scene.now())
    return {"rows": done.rows, "files": done.files, "flipped": len(done.flipped)}


def _flipped(scene: Scene, said: Mapping[str, Any], dry: bool) -> dict[str, Any]:
    here = _read(scene, lambda one: admitted_in(one, said["environment"]))
    if said["release"] not in here:
        raise InputError("not admitted", where=said["environment"], expected="the digest of an admitted release",
                         found=said["release"], hint=nearest(said["release"], here))
    if dry:
        return {"would serve": said["release"]}
    with scene.scratch.store.writing() as connection:
        made = flip(connection, said["environment"], stable=said["release"], candidate=None, percent=0.0, stage=None,
                    who=WHO, why=said["why"], at=scene.now())
    return {"serves": made.stable, "seq": made.seq}


def _admitted(scene: Scene, said: Mapping[str, Any], dry: bool) -> dict[str, Any]:
    known = scene.scratch.refused
    loaded = known.get(said["release"])
    if loaded is None:
        raise InputError("no such release to admit", where="rehearsal", expected=f"one of {', '.join(known)}",
                         found=said["release"], hint=nearest(said["release"], known))
    if dry:
        return {"would verify and admit": said["release"]}
    found = admit(scene.scratch.store, loaded, environment=said["environment"], artifacts=loaded.folder / "artifacts",
                  trust=_nobody(), now=scene.now(), who=WHO)
    return {"serves": found.digest}


def _nobody() -> Trust:
    """A key that has signed nothing: what is refused is refused for its signatures, wherever the rehearsal runs."""
    return Trust((TrustedKey("rehearsal", CryptoSigner.generate_ed25519().public_key),), source="rehearsal")


def _asked(scene: Scene, query: str) -> dict[str, Any]:
    if query not in scene.questions:
        raise InputError("no such question", where="rehearsal", expected="the id of a judged query", found=query,
                         hint=nearest(query, scene.questions))
    return {name: round(float(value), 6) for name, value in scene.asks(query).items()}


def _evaluated(scene: Scene, most: int) -> dict[str, Any]:
    asked = [_asked(scene, query) for query in scene.questions[:most]]
    if not asked:
        raise InputError("nothing to ask", where="rehearsal", expected="judged queries", found=0)
    return {"n": len(asked), "sha256": digest_of(asked),
            **{name: round(sum(one[name] for one in asked) / len(asked), 6) for name in asked[0]}}
