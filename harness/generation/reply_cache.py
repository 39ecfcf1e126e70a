"""What a model once answered, kept on disk by everything that it depends on: server, model, prompt, seed, length.

A reply from here says so: it made no call (`Reply.calls` is 0), so a warm cache passes for no fresh run. With
EVAL_DISABLE_CACHE=1 there is no cache at all: an evaluation that is repeated asks again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.data.store import atomic_write_text, unlisted
from harness.errors import InputError, UsageError
from harness.generation.client import Completion

__all__ = ["ReplyCache", "cache_disabled", "reply_cache"]


@dataclass(frozen=True)
class ReplyCache:
    """A folder of completions, a file each, named by the digest of what was asked.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = ReplyCache(Path(folder) / "replies")
    ...     cache.put("http://localhost/v1", {"seed": 42}, Completion("Yes.", 3, 1, "tiny"))
    ...     cache.get("http://localhost/v1", {"seed": 42}).text, cache.get("http://localhost/v1", {"seed": 43})
    ('Yes.', None)
    """

    folder: Path

    def get(self, url: str, sent: Mapping[str, Any]) -> Completion | None:
        """The completion of exactly this request; None where none is kept, or a file that is not one."""
        try:
            held = strict_json(self._path(url, sent).read_bytes(), where=self.folder)
            found = Completion(*held)
        except (OSError, InputError, TypeError):
            return None
        return found if isinstance(found.text, str) else None

    def put(self, url: str, sent: Mapping[str, Any], found: Completion) -> None:
        """Keep a completion; the key was no part of what was sent. Raises InputError where it cannot be written."""
        unlisted(self.folder)
        atomic_write_text(self._path(url, sent), json.dumps(list(found), ensure_ascii=False) + "\n")

    def clear(self) -> int:
        """Forget every completion; how many there were. Raises OSError where one cannot be removed."""
        kept = sorted(self.folder.glob("*.json"))
        for path in kept:
            path.unlink(missing_ok=True)
        return len(kept)

    def _path(self, url: str, sent: Mapping[str, Any]) -> Path:
        return self.folder / f"{digest_of({'url': url, 'sent': dict(sent)})}.json"


def cache_disabled(environ: Mapping[str, str]) -> bool:
    """Whether EVAL_DISABLE_CACHE is 1; unset, empty or 0 it is not.

    Raises:
        UsageError: It is anything else: a switch that is misread evaluates something else.

    >>> cache_disabled({"EVAL_DISABLE_CACHE": "1"}), cache_disabled({})
    (True, False)
    """
    value = environ.get("EVAL_DISABLE_CACHE", "").strip()
    if value not in ("", "0", "1"):
        raise UsageError(f"EVAL_DISABLE_CACHE must be 0 or 1, found {value[:40]!r}")
    return value == "1"


def reply_cache(folder: Path | None, environ: Mapping[str, str]) -> ReplyCache | None:
    """The cache in `folder`, None without a folder or where the environment disables it. Raises as `cache_disabled`.

    >>> reply_cache(Path("replies"), {"EVAL_DISABLE_CACHE": "1"}) is None
    True
    """
    off = cache_disabled(environ)
    return None if off or folder is None else ReplyCache(folder)
