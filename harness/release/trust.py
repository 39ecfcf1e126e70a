"""Whom a verifier believes: public keys, how many of them must agree, for how long, and whether play keys count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import EvidenceError, InputError
from harness.release.keys import DEVELOPMENT, DEVELOPMENT_FOLDER, material_of, parse_public
from harness.release.yaml_errors import first_error, read_yaml

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

__all__ = ["MAX_AGE_DAYS", "Trust", "TrustedKey", "development_trust", "load_trust", "parse_trust"]

MAX_AGE_DAYS = 90.0
LONGEST_DAYS = 36525.0
_PEM = "-----BEGIN"


@dataclass(frozen=True)
class TrustedKey:
    """A public key under the name and id by which it is trusted."""

    name: str
    key: SSlibKey

    @property
    def keyid(self) -> str:
        """The id by which signatures refer to it."""
        return str(self.key.keyid)

    @property
    def material(self) -> str:
        """The key itself: what makes two signers two."""
        return material_of(self.key)

    @property
    def development(self) -> bool:
        """True for a key trusted under the development name."""
        return self.name == DEVELOPMENT


@dataclass(frozen=True)
class Trust:
    """What a verifier demands of signatures.

    Attributes:
        keys: Public keys that are trusted to sign releases, and to approve.
        threshold: Distinct keys (by material) that must have signed each statement.
        max_age_days: Age of the evidence from which on it is too old.
        allow_development: Whether statements by the development key are believed.
        integrity_only: No trust file was given: the signature shows that nothing changed, not who stands for it.
        source: Where this was read.
        approvers: Further public keys, trusted to approve items of a checklist and nothing else.
    """

    keys: tuple[TrustedKey, ...]
    threshold: int = 1
    max_age_days: float = MAX_AGE_DAYS
    allow_development: bool = False
    integrity_only: bool = False
    source: str = "trust"
    approvers: tuple[TrustedKey, ...] = ()

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise InputError("no threshold", where=self.source, column="threshold", expected="at least 1",
                             found=self.threshold)
        if not 0.0 < self.max_age_days <= LONGEST_DAYS:
            raise InputError("not an age", where=self.source, column="max_age_days",
                             expected=f"in (0, {LONGEST_DAYS:g}] days", found=self.max_age_days)

    def aged(self, days: float | None) -> Trust:
        """The same with another maximum age; None changes nothing."""
        return self if days is None else replace(self, max_age_days=days)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Key(_Model):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    public: Annotated[str, Field(min_length=1)]
    keyid: Annotated[str, Field(min_length=1)] | None = None


class _Trust(_Model):
    keys: Annotated[list[_Key], Field(min_length=1)]
    threshold: Annotated[int, Field(ge=1)] = 1
    max_age_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = MAX_AGE_DAYS
    allow_development: bool = False
    approvers: list[_Key] = []


def load_trust(path: Path | str) -> Trust:
    """Read a trust file; key paths in it are relative to it. Raises InputError."""
    file = Path(path)
    return parse_trust(_read(file), where=file, read=lambda name: _read(file.parent / name))


def parse_trust(raw: bytes, *, where: object, read: Callable[[str], bytes]) -> Trust:
    """Validate trust bytes; `read(path)` yields the key files that it names. Raises InputError."""
    value, node = read_yaml(raw, where=where)
    try:
        model = _Trust.model_validate(value)
    except ValidationError as error:
        raise first_error(error, _Trust, where=where, node=node) from None
    keys = tuple(_trusted(one, read, where) for one in model.keys)
    approvers = tuple(_trusted(one, read, where) for one in model.approvers)
    _named_once((*keys, *approvers), where)
    distinct = len({key.material for key in keys})
    if model.threshold > distinct:
        raise InputError("the threshold can never be met", where=where, column="threshold",
                         expected=f"at most {distinct}, the number of distinct keys", found=model.threshold)
    return Trust(keys, model.threshold, float(model.max_age_days), model.allow_development, source=str(where),
                 approvers=approvers)


def development_trust(folder: Path = DEVELOPMENT_FOLDER) -> Trust:
    """Where no trust file is given: this checkout's development key, for integrity only."""
    path = folder / f"{DEVELOPMENT}.pub"
    if not path.exists():
        raise EvidenceError("no key to trust", where=path, expected="a trust file, or this checkout's development key "
                            "(signoff gates MANIFEST --sign makes it)")
    key = TrustedKey(DEVELOPMENT, parse_public(_read(path), where=path))
    return Trust((key,), allow_development=True, integrity_only=True, source=str(path))


def _named_once(keys: Sequence[TrustedKey], where: object) -> None:
    for what, values in (("name", [key.name for key in keys]), ("key id", [key.keyid for key in keys])):
        twice = next((value for value, times in Counter(values).items() if times > 1), None)
        if twice is not None:
            raise InputError(f"a {what} stands twice", where=where, column="keys", expected="each once", found=twice)


def _trusted(one: _Key, read: Callable[[str], bytes], where: object) -> TrustedKey:
    inline = one.public.lstrip().startswith(_PEM)
    pem = one.public.encode() if inline else read(one.public)
    place = f"{where}, key {one.name}" if inline else one.public
    return TrustedKey(one.name, parse_public(pem, where=place, keyid=one.keyid))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
