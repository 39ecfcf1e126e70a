"""What the verbs that look into a live release share: building it, loading it, asking it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import own_code, tell
from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.release.build import Built, build
from harness.release.cache import PartCache
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.observing import CACHE, frozen
from harness.release.overrides import overridden

__all__ = ["TaskOption", "built_live", "live_release", "task_of", "tell"]

TaskOption = Annotated[str | None, typer.Option(help="Whose queries are asked. Default: see_also, else the only task.")]


def built_live(manifest: Path) -> tuple[Loaded, Built, Path]:
    """A live manifest's parts, built where they are not cached, and frozen: for the verb that freezes."""
    loaded = _with_parts(manifest)
    built, folder = frozen(loaded, tell=tell)
    return loaded, built, folder


def _with_parts(manifest: Path) -> Loaded:
    """The manifest, as the environment makes it. Recorded manifests are refused."""
    loaded = overridden(load_manifest(manifest), os.environ)
    if loaded.manifest.parts is None:
        raise InputError("a recorded manifest has no parts to look into", where=manifest, expected="live parts")
    own_code()
    return loaded


def live_release(manifest: Path) -> tuple[Loaded, Built, LiveRelease]:
    """A live manifest's release, loaded and ready to answer; what is frozen and signed is neither read nor touched."""
    loaded = _with_parts(manifest)
    built = build(loaded, PartCache(CACHE, lambda name: tell(f"building {loaded.manifest.release}: {name}")))
    tell(f"loading {loaded.manifest.release}")
    release = LiveRelease.load(loaded.manifest, built.world, built.folders)
    tell("")
    return loaded, built, release


def task_of(world: World, name: str | None) -> Task:
    """The task of that name; without a name `see_also`, else the only task of query texts."""
    texts = [task for task in world.tasks.values() if task.contexts is None]
    if name is None and "see_also" not in world.tasks and len(texts) == 1:
        return texts[0]
    return world.task(name or "see_also")
