"""The teacher, its distilled table, and the file between them, on one world with a known answer."""

from __future__ import annotations

import numpy as np

from harness.routing.distill import distill
from harness.routing.int8 import Int8Router
from harness.routing.teacher import RouterTeacher


def test_a_router_distilled_and_read_back_answers_as_its_teacher():
    """What is read back from JSON answers to the bit as what was written, one at a time as in batch."""
    rng = np.random.default_rng(1)
    signals = rng.random((600, 3))
    gain = 0.3 * signals[:, 0] - 0.2 * signals[:, 1] + 0.02 * rng.normal(size=600)
    names = ("entropy", "margin", "length")
    teacher = RouterTeacher().fit(signals, names, gain, 2.0 + signals[:, 2])
    router = distill(teacher, signals, names)
    again = Int8Router.from_json(router.to_json(), router.digest)
    assert again.to_json() == router.to_json()
    batch = again.predict(signals)
    answers = zip(*(column[:50].tolist() for column in batch), strict=True)
    assert [again.one(row) for row in signals[:50].tolist()] == list(answers)
    assert np.corrcoef(batch.gain, teacher.predict(signals).gain)[0, 1] > 0.99
