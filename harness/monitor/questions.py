"""A release that answers, asked its judged questions once more: each answer held to the gold one, as the gates hold it.

What comes of a question is numbers by the gates' own names. Neither question nor answer is kept or logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.task import Task
from harness.release.asking import Asked, Asking, reader_of
from harness.release.measures.answered import COLUMNS
from harness.release.studied.answers_live import answered_row, questions_of
from harness.release.studied.answers_table import record_of

if TYPE_CHECKING:
    from harness.release.live import LiveRelease
    from harness.release.manifest import Loaded

__all__ = ["Questions", "questions_in"]


@dataclass(frozen=True, eq=False)
class Questions:
    """Judged questions with gold answers, and what answers them.

    Attributes:
        asking: The release with its reader.
        task: The questions.
        places: Question id → its place in the task.
    """

    asking: Asking
    task: Task
    places: Mapping[str, int] = field(repr=False)

    def values(self, query: str) -> dict[str, float]:
        """What the answer to a question is worth by each measure, in [0, 1]; nothing of one without a gold answer."""
        place = self.places.get(query)
        if place is None:
            return {}
        world = self.asking.live.world
        asked = self.ask(self.task.texts[place], own=int(self.task.own[place]))
        record = record_of([answered_row(asked, self.task, place, world, self.asking.chooser.passages)])
        return {name: float(record.column(column)[0]) for name, column in COLUMNS.items()}

    def ask(self, text: str, *, own: int = -1) -> Asked:
        """Answer one question."""
        return self.asking.ask(text, own=own)


def questions_in(loaded: Loaded, live: LiveRelease, artifacts: Path, *, replies: Path) -> Questions | None:
    """The questions of an admitted release; None where its manifest has no reader.

    Args:
        loaded: Its manifest.
        live: Its stages, loaded.
        artifacts: Folder of its frozen files.
        replies: Where completions of a model are kept: a question that is asked again costs no call.

    Raises: InputError where no question has a gold answer, or passages are missing.
    """
    part = None if loaded.manifest.parts is None else loaded.manifest.parts.reader
    if part is None:
        return None
    folders = {name: artifacts / name for name in ("passages", "shots") if (artifacts / name).is_dir()}
    reader = reader_of(part, seed=loaded.manifest.seed, cache=replies)
    task = questions_of(loaded, live.world)
    return Questions(Asking.of(live, loaded.manifest, folders, reader=reader), task,
                     {query: place for place, query in enumerate(task.query_ids)})
