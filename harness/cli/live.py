"""What the verbs that look into a live release share: building it, loading it, asking it."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import InputError
from harness.release.build import Built
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.observing import frozen

__all__ = ["built_live", "live_release", "tell"]


def tell(what: str) -> None:
    """A line of progress on stderr; on a terminal the next one takes its place."""
    wide = sys.stderr.isatty()
    sys.stderr.write(f"\r\x1b[2K{what[:78]}" if wide else f"{what}\n" if what else "")
    sys.stderr.flush()


def built_live(manifest: Path) -> tuple[Loaded, Built, Path]:
    """A live manifest's parts, built where they are not cached, and frozen. Recorded manifests are refused."""
    loaded = load_manifest(manifest)
    if loaded.manifest.parts is None:
        raise InputError("a recorded manifest has no parts to look into", where=manifest, expected="live parts")
    built, folder = frozen(loaded, tell=tell)
    return loaded, built, folder


def live_release(manifest: Path) -> tuple[Loaded, Built, LiveRelease]:
    """The same, loaded and ready to answer."""
    loaded, built, _ = built_live(manifest)
    tell(f"loading {loaded.manifest.release}")
    release = LiveRelease.load(loaded.manifest, built.world, built.folders)
    tell("")
    return loaded, built, release
