"""Live measures of answers: what shadow replay knows of both arms' answers to one question, and how many come a minute.

Each arm's own value stands under the name that the gates use (`answer F1`, …); `delta NAME` is the candidate's less the
stable release's on the same question, a paired difference that owes nothing to which machine answered.
"""

from __future__ import annotations

import numpy as np

from harness.estimators.sketch import RELATIVE_ERROR
from harness.monitor.windows import Window

__all__ = ["ANSWERS", "ANSWER_DELTAS", "F1", "FAITHFUL", "ORACLE", "PRECISION", "RATE", "RECALL", "USED_GOLD",
           "rate_of"]

PRECISION, RECALL, F1, FAITHFUL = "answer precision", "answer recall", "answer F1", "faithfulness"
ORACLE, USED_GOLD = "oracle_retrieval_hit_prefilter", "reader_used_gold"
ANSWERS = (PRECISION, RECALL, F1, FAITHFUL, ORACLE, USED_GOLD)
ANSWER_DELTAS = frozenset(f"delta {name}" for name in ANSWERS)
RATE = "answers a minute"
_GROWTH = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
_MINUTE_MS = 60_000.0


def rate_of(window: Window) -> tuple[float, int] | None:
    """Answers that a minute of work gives, one question at a time, and the requests behind it; None without any.

    Requests that were answered over the time that all of them took, to the sketch's one per cent. How many come in is
    the visitors' doing; how many are answered in a minute of work is the release's.

    >>> from datetime import UTC, datetime
    >>> from harness.rollout.shapes import Observation
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> seen = Window.of([Observation(day, "prod", "ab", "stable", {"total": 2000.0}) for _ in range(4)])
    >>> round(rate_of(seen)[0]), rate_of(Window())
    (30, None)
    """
    sketch = window.latency.get("total")
    if sketch is None or not sketch.n:
        return None
    middle = 2.0 * _GROWTH ** sketch.buckets.astype(np.float64) / (_GROWTH + 1.0)
    spent = float(np.dot(middle, sketch.counts))
    answered = window.requests.n - window.requests.hits
    return (_MINUTE_MS * answered / spent, window.requests.n) if spent > 0.0 and window.requests.n else None
