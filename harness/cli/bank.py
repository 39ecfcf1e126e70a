"""`signoff bank MANIFEST`: make a signed release the gold standard that later ones are held against."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json

if TYPE_CHECKING:
    from harness.release.banking import Bank

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The manifest of a release that is signed.")],
    *,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify the signature and bank the release: 12 where it does not verify; an earlier record then stays."""
    from harness.cli.contracting import Places, verified_bundle
    from harness.data.store import atomic_write_bytes
    from harness.release.banking import bank_of, bank_path, banked
    from harness.release.manifest import load_manifest

    loaded = load_manifest(manifest)
    places = Places.of(loaded, artifacts=artifacts)
    verified = verified_bundle(loaded, places.bundle, places.artifacts)
    bank = bank_of(verified, loaded, places.bundle.read_bytes(), now=datetime.now(UTC))
    path = atomic_write_bytes(bank_path(loaded), bank.raw)
    banked(loaded, digest=bank.bundle_sha256)  # read back, as whoever compares with it will
    if as_json:
        print_json({**bank.model_dump(mode="json", by_alias=True), "record": path})
    else:
        _tell(bank, path)


def _tell(bank: Bank, path: Path) -> None:
    out = console()
    for line in (f"{bank.release} is banked: {path}",
                 f"  {len(bank.figures)} figures, measured {bank.measured_at}, signed by {', '.join(bank.signers)}"
                 + (" (DEVELOPMENT KEY: integrity, not authority)" if bank.development else ""),
                 "  To hold a release against it, write into its manifest:",
                 f"    baseline: {bank.release}", f"    baseline_digest: {bank.bundle_sha256}"):
        out.print(line, markup=False, soft_wrap=True)
