"""`signoff keygen PATH`: a new signing key and its public half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json, prose
from harness.release.keys import keygen, load_key

__all__ = ["command"]


def command(
    path: Annotated[Path, typer.Argument(help="Where the private key goes, such as keys/release.pem.")],
    as_json: JsonFlag = False,
) -> None:
    """Make an ed25519 signing key (mode 0600, never over an existing file) and its .pub beside it."""
    private, public = keygen(path)
    key = load_key(private)
    if as_json:
        print_json({"private": private, "public": public, "name": key.name, "keyid": key.keyid})
        return
    out = console()
    prose(out, f"private key  {private}  (mode 0600: keep it out of the repository and of the gate job)")
    prose(out, f"public key   {public}  (name it in manifests/trust.yaml)")
    out.print(f"key id       {key.keyid}", markup=False, soft_wrap=True)  # whole, to be copied
