"""Files as they stand at a git ref: read from the one repository of the current directory, steered by nothing else.

A path is taken as it is written. The work tree's links and the repositories that lie inside it are never followed:
they are part of the change on trial, and what decides over a change cannot come from it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.errors import EvidenceError, InputError
from harness.release.manifest import Loaded, parse_manifest
from harness.release.terms import Base
from harness.release.trust import Trust, parse_trust

__all__ = ["at_base", "base_of", "trust_of"]


def base_of(ref: str, loaded: Loaded) -> Base:
    """The base's manifest at the same path, and the digest of the baseline that it names."""
    manifest = parse_manifest(at_base(ref, loaded.path), where=f"{ref}:{loaded.path}")
    if manifest.baseline is None:
        return Base(manifest)
    path = loaded.folder / f"{manifest.baseline}.yaml"
    return Base(manifest, parse_manifest(at_base(ref, path), where=f"{ref}:{path}").config_hash)


def trust_of(ref: str, file: Path) -> Trust:
    """A trust file of the base, with the key files that it names there."""
    return parse_trust(at_base(ref, file), where=f"{ref}:{file}", read=lambda name: at_base(ref, file.parent / name))


def at_base(ref: str, path: Path) -> bytes:
    """A file's bytes at a git ref. Raises EvidenceError where it is not there: the work tree is no substitute."""
    if not ref or ref.startswith("-") or ":" in ref:
        raise InputError("not a git ref", where="--base", expected="a branch, tag or commit", found=ref)
    where = f"{ref}:{path}"
    prefix = os.fsdecode(_git("rev-parse", "--show-prefix", where=where).removesuffix(b"\n"))
    inside = Path(os.path.normpath(Path(prefix, os.path.relpath(path))))  # by its letters: resolve() follows links
    if inside.is_absolute() or inside.parts[:1] == (os.pardir,):
        raise EvidenceError("not at the base: it lies outside the repository of the current directory", where=where,
                            expected="a reviewed file", found=str(inside))
    return _git("cat-file", "blob", f"{ref}:{inside.as_posix()}", where=where)


def _git(*words: str, where: str) -> bytes:
    """What git says in the current directory; a folder dressed up as a bare repository is none."""
    command = ["git", "-c", "safe.bareRepository=explicit", *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise EvidenceError("not at the base: git cannot be run", where=where, expected="git",
                            found=error.strerror or str(error)) from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise EvidenceError("not at the base", where=where, expected="a reviewed file",
                            found=reason[-1] if reason else f"git exit {done.returncode}")
    return done.stdout
