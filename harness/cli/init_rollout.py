"""`signoff init DIR --demo-rollout`: two small releases, gated, signed and admitted; one of them turns bad in traffic.

The steps are the commands that a person would type, each a process of its own in DIR, on the store of that folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.cli.common import console, print_json, prose, tell
from harness.errors import Exit, InputError, UsageError

__all__ = ["MADE", "demo_files", "demo_rollout", "own_store"]

_STARTER = Path(__file__).parent / "starter" / "rollout"
_RELEASES = ("steady", "turning")
_TOKEN = "load.token"
MADE = ("manifests/beir", "manifests/signed", _TOKEN, ".signoff", "artifacts", "reports")  # none of them is there yet


def demo_files() -> dict[str, bytes]:
    """Relative path → content of what the demo is written in: two manifests, a search engine, a load.

    >>> sorted(demo_files())
    ['engine.py', 'load.py', 'manifests/steady.yaml', 'manifests/turning.yaml']
    """
    return {f"manifests/{one.name}" if one.suffix == ".yaml" else one.name: one.read_bytes()
            for one in sorted(_STARTER.iterdir()) if one.suffix in {".py", ".yaml"}}


def demo_rollout(folder: Path, *, as_json: bool) -> int:
    """Make, gate, sign and admit both, and a token for the load, in a folder whose files were written.

    Raises: UsageError where the environment names another store, InputError naming the step that did not go through.
    """
    from harness.data.pydocs.small import write_beir

    tell("writing 150 pages of numpy's documentation, with 80 judged queries")
    write_beir(folder / "manifests" / "beir")
    for name in _RELEASES:
        _step(folder, f"gating and signing {name}", "gates", "--sign", f"manifests/{name}.yaml")
        _step(folder, f"admitting {name} to prod", "admit", f"manifests/{name}.yaml", "--env", "prod")
    made = json.loads(_step(folder, "making a token", "serve", "token", "create", "load", "--role", "viewer", "--json"))
    with os.fdopen(os.open(folder / _TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made["token"])
    tell("")
    return _told(folder, as_json=as_json)


def own_store() -> None:
    """Refuse where the commands to come would use somebody's real store instead of the demo's.

    Raises: UsageError naming the variable.
    """
    for name in ("SIGNOFF_DB", "SIGNOFF_HOME"):
        if os.environ.get(name):
            raise UsageError(f"init --demo-rollout has a store of its own in DIR/.signoff: unset {name} first")


def _step(folder: Path, what: str, *words: str) -> str:
    """One command of ours, in the folder; what it said on stdout."""
    tell(what)
    done = subprocess.run([sys.executable, "-m", "harness", *words], cwd=folder, text=True, capture_output=True,
                          check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"signoff {' '.join(words)} ended with {done.returncode}", where=folder,
                         found=said[-1] if said else None)
    return done.stdout


def _told(folder: Path, *, as_json: bool) -> int:
    if as_json:
        print_json({"folder": str(folder), "releases": list(_RELEASES), "environment": "prod", "token": _TOKEN})
        return int(Exit.PASSED)
    out = console()
    prose(out, "steady and turning passed their gates, are signed (DEVELOPMENT KEY) and admitted to prod: steady "
               "serves, turning waits.")
    prose(out, "Next: serve them, give turning traffic, and load them until it is taken back:")
    entered = "" if folder == Path() else f"  cd {folder}\n"
    out.print(f"{entered}  MONITORING_RESOLUTION=1s signoff serve --env prod 2> serve.log &\n"
              "  signoff rollout start turning --env prod && python load.py", markup=False, soft_wrap=True,
              highlight=False)
    return int(Exit.PASSED)
