"""Readers that answer differently every time, as real ones came to: each is run in a process of its own, for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from harness.generation.reply_cache import cache_disabled
from harness.generation.shapes import Passage, Reader, Reply, Shot

__all__ = ["SPOILT", "SetOrder", "Unseeded", "WarmCache"]


@dataclass
class Unseeded:
    """An unseeded step: passages are shuffled before they are shown, by a generator that nobody seeded."""

    reader: Reader

    @property
    def model(self) -> str:
        """The reader's own name."""
        return self.reader.model

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Answer from the passages in a drawn order."""
        drawn = sorted(passages, key=lambda _: token_bytes(8))
        return self.reader.read(question, drawn, shots)


@dataclass
class SetOrder:
    """The order of a set: passages pass through one of their ids, whose order is PYTHONHASHSEED's."""

    reader: Reader

    @property
    def model(self) -> str:
        """The reader's own name."""
        return self.reader.model

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Answer from the passages in the order of the set of their ids."""
        held = {one.id: one for one in passages}
        return self.reader.read(question, [held[name] for name in set(held)], shots)


@dataclass
class WarmCache:
    """A warm cache: replies outlive their process and lose their citations on the way through the file.

    Attributes:
        reader: Who answers what is not in the cache.
        folder: Where replies are kept.
        environ: Where EVAL_DISABLE_CACHE is read, which a sound cache heeds; a spoilt one is given none.
    """

    reader: Reader
    folder: Path
    environ: Mapping[str, str]

    @property
    def model(self) -> str:
        """The reader's own name."""
        return self.reader.model

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Answer from the file where there is one; write it where there is none."""
        if cache_disabled(self.environ):
            return self.reader.read(question, passages, shots)
        file = self.folder / f"{sha256(question.encode('utf-8')).hexdigest()}.json"
        if file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            return Reply(**{**kept, "cited": (), "passages": tuple(kept["passages"])})
        reply = self.reader.read(question, passages, shots)
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(reply)), encoding="utf-8")
        return reply


SPOILT: Mapping[str, Callable[[Reader, Path], Reader]] = {
    "answers_unseeded": lambda reader, _: Unseeded(reader),
    "answers_by_set_order": lambda reader, _: SetOrder(reader),
    "answers_from_warm_cache": lambda reader, folder: WarmCache(reader, folder, {}),
}
"""Defect → what it makes of a reader, given a folder that outlives the process."""
