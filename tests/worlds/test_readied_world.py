"""What a reader is given of the real documentation: thinned within its band, no prefix indexed, a silent pool."""

from __future__ import annotations

import pytest

from harness.data.pyanswers import build_pyanswers
from harness.generation.choosing import word_index
from harness.generation.few_shot import POOL, curated, items_of
from harness.generation.few_shot_leaks import leaks
from harness.generation.near_duplicates import jaccard, shingles, without_near_duplicates
from harness.generation.passages import passages_of
from harness.generation.prefix_leaks import held_words, leaked_prefixes

pytestmark = [pytest.mark.slow, pytest.mark.worlds]


@pytest.fixture(scope="module")
def world():
    return build_pyanswers()


def test_near_duplicates_lie_in_their_band_and_no_index_reads_a_prefix(world):
    """Between a tenth and 35 in a hundred at 0.8; each was as alike as that, and all of it is still offered."""
    whole = passages_of(world.corpus, chunk_words=80)
    thinned = without_near_duplicates(whole, threshold=0.8)
    assert 0.10 <= len(thinned.removed) / len(whole) <= 0.35
    texts = {one.id: one.text for one in whole.all}
    assert min(jaccard(shingles(texts[one.id]), shingles(texts[kept])) for one, kept in thinned.removed) >= 0.8
    assert all(len(thinned.of(place)) == len(whole.of(place)) for place in range(len(world.corpus)))
    assert leaked_prefixes(thinned.all, held_words(word_index(thinned))) == ()


def test_the_curated_pool_is_full_and_tells_nothing(world):
    """Two hundred shots of three kinds; uncurated, one question to learn from in twenty or more would have told."""
    task = world.task("answers")
    pool, items = curated(task, world.answers, seed=42), items_of(task, world.answers)
    assert len(pool) == POOL and leaks(items, pool.shots) == []
    assert {world.answers.kinds[world.answers.row(name)] for name in pool.ids} == {"parameter", "raise", "return"}
    fit = items_of(task, world.answers, fold="fit")
    assert len({leak.shot for leak in leaks(items, fit)}) > 0.05 * len(fit)
