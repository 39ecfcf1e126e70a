"""The embedded world: the documentation of the project's own dependencies as corpus and tasks, equal to the byte."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.data.corpus import Corpus, Document, World
from harness.data.pydocs.judgements import Question, known_items, reading_steps, see_also_questions, task_of
from harness.data.pydocs.library import Library, library_of
from harness.data.pydocs.text import cut
from harness.data.splits import block_folds
from harness.errors import InputError

__all__ = ["PACKAGES", "Progress", "build_pydocs", "harvest_packages", "pydocs_versions", "world_from"]

PACKAGES = {"numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "sklearn": "scikit-learn"}
Progress = Callable[[str], None]
_KEPT_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_FIXED_ENVIRONMENT = {
    "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8", "MPLBACKEND": "agg",
}


def pydocs_versions() -> dict[str, str]:
    """What the world depends on, found without importing it: package versions, and a digest of this room's own code.

    Equal versions mean an equal world, so this is the key to keep one under. A package that is not installed is an
    `InputError`.
    """
    versions = {}
    for distribution in PACKAGES.values():
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            raise InputError("package not installed", where="corpus pydocs", expected=distribution) from None
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    return versions | {"pydocs": code.hexdigest()[:12]}


def build_pydocs(*, seed: int = 42, progress: Progress | None = None) -> World:
    """Read the installed packages and make the world; `seed` draws the folds, and nothing else.

    Tasks: `see_also`, `known_item`, `reading_order`. `progress` is told what begins. Takes about four seconds and no
    network. `InputError` where a package is missing or its docstrings are stripped.
    """
    tell = progress or (lambda _: None)
    versions = pydocs_versions()
    tell("reading docstrings")
    harvest = harvest_packages(list(PACKAGES))
    tell("resolving names and links")
    library = library_of(harvest)
    tell("making tasks")
    return world_from(library, versions, seed=seed)


def harvest_packages(packages: Sequence[str], *, flags: Sequence[str] = (), hash_seed: str = "0") -> dict[str, Any]:
    """Run the child in its fixed environment and take its document; `flags` and `hash_seed` are for tests of it."""
    script = Path(__file__).with_name("harvest.py")
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ} | _FIXED_ENVIRONMENT
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-P", "-W", "ignore", *flags, str(script), *packages]
    try:
        child = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        found = json.loads(child.stdout)
    except OSError as error:
        raise InputError("the child process failed", where="corpus pydocs", found=error.strerror) from None
    except ValueError:
        last = child.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise InputError("the child process failed", where="corpus pydocs", found=" ".join(last)) from None
    if "error" in found or child.returncode:
        raise InputError("cannot be read", where="corpus pydocs", found=found.get("error", child.returncode))
    return dict(found)


def world_from(library: Library, versions: Mapping[str, str], *, seed: int) -> World:
    """Corpus, tasks and facts of a library; the sentences asked in `known_item` are cut from the documents."""
    related, recognised, read = see_also_questions(library), known_items(library), reading_steps(library)
    corpus = _corpus(library, {one.own: one.text for one in recognised}, versions)
    folds = _folds(library, related, seed=seed)
    places = {name: place for place, name in enumerate(corpus.ids)}
    questions = {"see_also": related, "known_item": recognised, "reading_order": read}
    tasks = {name: task_of(name, asked, library, places, folds) for name, asked in questions.items()}
    asked = {f"{name}_asked": len(all_of) for name, all_of in questions.items()}
    return World(corpus, tasks, {"documents": len(corpus), **library.facts, **asked})


def _corpus(library: Library, asked: Mapping[str, str], versions: Mapping[str, str]) -> Corpus:
    documents = []
    for name, article in library.articles.items():
        body = cut(article.body, asked[name]) if name in asked else article.body
        text = f"{article.title}\n{body}"
        documents.append(Document(name, article.title, article.parsed.summary, text, article.module, article.package))
    return Corpus.of("pydocs", documents, dict(versions))


def _folds(library: Library, related: Sequence[Question], *, seed: int) -> dict[str, str]:
    sizes = Counter({article.module: 0 for article in library.articles.values()})
    sizes.update({listing.module: 0 for listing in library.listings})
    sizes.update(question.module for question in related)
    return block_folds(sizes, seed=seed)
