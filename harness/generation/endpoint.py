"""Where a model is served, and the key to it: from the manifest and the environment, never from a default.

The key stands in no text, file or record: not in a `repr`, not in an error, not in an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from harness.errors import InputError, UsageError

__all__ = ["LOCAL", "Endpoint", "endpoint_from"]

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts before which no proxy stands."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served: the base address (`http://localhost:8000/v1`), its name there, and a key if need be.

    >>> Endpoint("http://localhost:8000/v1", "tiny", SecretStr("sk-123"))
    Endpoint(url='http://localhost:8000/v1', model='tiny')
    """

    url: str
    model: str
    key: SecretStr | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018  is only read here, and raises where it is none
        except ValueError as error:
            raise InputError(f"not the address of a model server: {error}", where="reader.url",
                             expected="http:// or https://, usually ending in /v1", found=_bare(self.url)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InputError("not the address of a model server", where="reader.url", found=_bare(self.url),
                             expected="http:// or https://, usually ending in /v1")
        if parts.username or parts.password:
            raise InputError("an address holds no password: it would stand in every record", where="reader.url",
                             expected="the key in OPENAI_API_KEY", found=_bare(self.url))
        key = self.key.get_secret_value() if self.key else ""
        if not key.isascii() or any(sign <= " " or sign == "\x7f" for sign in key):
            raise InputError("not an API key", where="environment, OPENAI_API_KEY",
                             expected="printable ASCII without spaces")
        if not self.model.strip():
            raise InputError("no model is named", where="reader.model", expected="its name on the server")

    def at(self, path: str) -> str:
        """The address of one of its routes."""
        return f"{self.url.rstrip('/')}/{path}"


def endpoint_from(environ: Mapping[str, str], *, model: str, url: str | None = None) -> Endpoint:
    """The endpoint of `url`, else of OPENAI_BASE_URL, with the key in OPENAI_API_KEY; no server is asked by default.

    Raises:
        UsageError: Neither names an address.
        InputError: The address, the key or the model's name cannot be one.

    >>> endpoint_from({"OPENAI_BASE_URL": "http://localhost:8000/v1", "OPENAI_API_KEY": "sk-1"}, model="tiny").url
    'http://localhost:8000/v1'
    """
    address = url or environ.get("OPENAI_BASE_URL", "").strip()
    if not address:
        raise UsageError("no model server is named: set reader.url in the manifest or OPENAI_BASE_URL, "
                         "for instance http://localhost:8000/v1")
    key = environ.get("OPENAI_API_KEY", "").strip()
    return Endpoint(address, model, SecretStr(key) if key else None)


def _bare(url: str) -> str:
    """An address as it may be shown: without user and password."""
    return url if "@" not in url else f"…@{url.rpartition('@')[2]}"
