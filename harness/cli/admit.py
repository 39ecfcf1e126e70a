"""`signoff admit MANIFEST --env NAME`: only what verifies may serve, and only after a backup."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json, tell
from harness.cli.rollout_common import DatabaseOption, EnvironmentOption, WhoOption, caller, pointer_facts, told_pointer

if TYPE_CHECKING:
    from harness.release.manifest import Loaded
    from harness.release.terms import Base
    from harness.release.trust import Trust
    from harness.rollout.shapes import Pointer

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The manifest of a release that is signed.")],
    *,
    env: EnvironmentOption,
    trust: Annotated[Path | None, typer.Option(help="Default: trust.yaml by the manifest.")] = None,
    base: Annotated[str | None, typer.Option(
        metavar="REF", help="Hold it to policy, checklist, data, baseline and trust of this git ref.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Default: signed/RELEASE.intoto.jsonl by the manifest.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a signed release serve an environment: 12 where it does not verify; then nothing changes."""
    from harness.release.manifest import load_manifest

    loaded = load_manifest(manifest)
    facts, serving = _admitted(loaded, _trusted(loaded, trust, base), env=env, bundle=bundle, who=caller(who), db=db,
                               artifacts=artifacts or Path("artifacts") / loaded.manifest.release)
    print_json({**facts, "pointer": pointer_facts(serving)}) if as_json else _tell(facts, told_pointer(serving))


def _admitted(loaded: Loaded, believed: tuple[Trust, Base | None], *, env: str, artifacts: Path, bundle: Path | None,
              who: str, db: str | None) -> tuple[dict[str, Any], Pointer]:
    from harness.rollout.admitting import admit
    from harness.rollout.pointer import current
    from harness.rollout.store import open_store

    trust, base = believed
    with open_store(db) as store:
        tell(f"copying, verifying and backing up before {loaded.manifest.release} is admitted")
        found = admit(store, loaded, environment=env, artifacts=artifacts, trust=trust, now=datetime.now(UTC),
                      who=who, bundle=bundle, base=base)
        tell("")
        with store.reading() as connection:
            serving = current(connection, env)
    assert serving is not None
    return {"admitted": True, "environment": env, "release": found.release, "digest": found.digest,
            "run_id": found.run_id, "serves": serving.stable == found.digest, "trust": trust.source,
            "integrity_only": trust.integrity_only}, serving


def _trusted(loaded: Loaded, given: Path | None, ref: str | None) -> tuple[Trust, Base | None]:
    from harness.cli.base import base_of, trust_of
    from harness.release.standing import TRUST_FILE, trust_beside
    from harness.release.trust import development_trust, load_trust

    if ref is not None:
        return trust_of(ref, given or loaded.folder / TRUST_FILE), base_of(ref, loaded)
    return (load_trust(given) if given is not None else trust_beside(loaded) or development_trust()), None


def _tell(facts: dict[str, Any], pointer: str) -> None:
    out = console()
    release, env = facts["release"], facts["environment"]
    lines = [f"{release} is admitted to {env}", f"  digest {facts['digest']}", f"  {pointer}",
             *([f"  It is the first release there, and serves: signoff smoke --env {env}"] if facts["serves"] else
               ["  It waits for its rollout:", f"    signoff rollout start --env {env} {release}"])]
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    if facts["integrity_only"]:
        out.print("INTEGRITY ONLY: no trust file says who may sign.", style="bold yellow", soft_wrap=True)
