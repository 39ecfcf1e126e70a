"""Where a rollback leads: to the release that was good before, past those whose files are not as they were admitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from harness.errors import EvidenceError, InputError, nearest
from harness.rollout.pointer import current, good_before, history
from harness.rollout.released import digest_called, files_of
from harness.rollout.shapes import Pointer
from harness.rollout.store import Store
from harness.rollout.wholeness import damage

__all__ = ["Way", "way_back"]


@dataclass(frozen=True)
class Way:
    """The release to go back to, None where none is whole; and those that are damaged, digest → how."""

    target: str | None
    damaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The damage in one line.

        >>> Way(None, {"a" * 64: "changed: artifacts/index/vectors.npy"}).told
        'aaaaaaaaaaaa is damaged, changed: artifacts/index/vectors.npy'
        """
        return "; ".join(f"{digest[:12]} is damaged, {how}" for digest, how in self.damaged.items())


def way_back(store: Store, environment: str, *, to: str | None = None) -> tuple[Pointer, Way]:
    """What serves an environment, and where a rollback leads from there.

    A candidate is taken back to the release that serves beside it, whatever became of that one's files: it is loaded,
    and answers already. Any other release would have to be loaded first, and is only gone to where it is whole.

    Args:
        store: Where pointer and files are.
        environment: Whose.
        to: A release that is asked for by name or digest: that one or none.

    Raises: InputError where nothing serves, nothing served before, or `to` serves already or was not admitted;
    EvidenceError where `to` is damaged.
    """
    with store.reading() as connection:
        before = _serving(connection, environment)
        here = before.candidate is not None and (to is None or digest_called(connection, environment, to)
                                                 == before.stable)
        wanted = [digest_called(connection, environment, to)] if to is not None else good_before(
            history(connection, environment)[::-1])
        files = {digest: files_of(connection, digest) or {} for digest in (*wanted, before.stable) if digest}
    if here and before.stable is not None:
        return before, Way(before.stable, _damaged(store, [before.stable], files))
    if to is not None and wanted == [before.stable]:
        raise InputError("it serves already", where=environment, expected="another release", found=before.stable)
    if not wanted:
        raise InputError("nothing to go back to", where=environment, found=before.stable,
                         expected="a release that served before (signoff rollback --to names any that was admitted)")
    return before, _first_whole(store, wanted, files, asked=to)


def _serving(connection: Connection, environment: str) -> Pointer:
    found = current(connection, environment)
    if found is None:
        known = {one.environment for one in history(connection)}
        raise InputError("nothing serves there", where=environment, hint=nearest(environment, known),
                         expected="an environment that a release was admitted to")
    return found


def _first_whole(store: Store, wanted: list[str], files: Mapping[str, Mapping[str, str]], *, asked: str | None) -> Way:
    damaged: dict[str, str] = {}
    for digest in wanted:
        found = _damaged(store, [digest], files)
        if not found:
            return Way(digest, damaged)
        damaged |= found
    if asked is not None:
        raise EvidenceError("its files are not what was admitted", where=asked, found=damaged[wanted[0]],
                            expected="the files of then (signoff backup restore brings them back)")
    return Way(None, damaged)


def _damaged(store: Store, digests: list[str], files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {digest: how for digest in digests if (how := damage(store.home, digest, files[digest]))}
