"""The process that repeats a run: `python -m harness.release.repeating MANIFEST [--frozen DIR | --rebuild DIR]`.

It prints one line: the digest of all rankings and, for live parts, of the parts they came from.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.data.corpus import World
from harness.errors import SignoffError
from harness.release.build import Built, build, needed_parts
from harness.release.cache import PartCache
from harness.release.freeze import freeze
from harness.release.manifest import load_manifest
from harness.release.observing import observe_live
from harness.release.overrides import overridden
from harness.release.recording import recorded_trial
from harness.release.replay import parts_digest, rankings_digest

__all__ = ["main"]


def main(words: list[str]) -> str:
    """The line: rankings of recorded files, of frozen parts in a folder, or of parts built from nothing in one."""
    sys.path.append(str(Path.cwd()))  # where a callable of the user's own lies
    loaded = overridden(load_manifest(words[0]), os.environ)
    if loaded.manifest.recorded is not None:
        return rankings_digest(recorded_trial(loaded).candidate)
    folder = Path(words[2])
    if words[1] == "--rebuild":
        made = build(loaded, PartCache(folder / "cache"))
        folder = freeze(loaded, made, root=folder / "artifacts")
    built = Built(World.load(folder / "world"), {name: folder / name for name in needed_parts(loaded.manifest)})
    observed = observe_live(loaded, built, tell=lambda _: None, measured=False)
    return f"{rankings_digest(observed)} {parts_digest(folder)}"


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except SignoffError as error:
        sys.exit(str(error))
