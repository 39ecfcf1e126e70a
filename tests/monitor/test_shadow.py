"""Shadow replay: a share of the judged queries, both arms, the gates' own judgements; else nothing is claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.tiny_corpus import tiny_world
from harness.metrics.ranking import ndcg
from harness.monitor.judged import Judged, judged_of, plain_text, scored, values_of
from harness.monitor.shadow import Shadow, overlap
from harness.monitor.window_store import read_windows
from harness.monitor.windows import merged
from tests.monitor.serving import CANDIDATE, DAY, IDS, STABLE, Fake, service_of

QUERY = Judged("q1", "Sorted lists", IDS[3], None, {IDS[0]: 2, IDS[5]: 1}, ("hard_nl",))


def judging(tmp_path, *, shift=1, share=1.0, draw=lambda: 0.5, candidate=CANDIDATE):
    """A service whose stable release knows one judged query, and its shadow."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake(shift=shift)}, candidate=candidate,
                         percent=50.0 if candidate else 0.0)
    for digest, arm in service.arms._loaded.items():
        service.arms._loaded[digest] = replace(arm, judged={"sorted lists": QUERY}, measures=scored(["R@5"]))
    service.arms.look()
    return service, Shadow(service, share=share, draw=draw)


def windows(service, assignment, name="all"):
    assert service.batches.write()
    with service.store.reading() as connection:
        found = read_windows(connection, "prod", since=DAY.replace(hour=0))
    return merged(one for key, one in found.items() if (key.assignment, key.slice) == (assignment, name))


def test_both_arms_answer_and_the_difference_is_the_candidates(tmp_path):
    """ΔnDCG@10 by the judgements, ΔRR, Jaccard@10, and each arm's own value of its policy's measures."""
    service, shadow = judging(tmp_path)
    shadow.offer("  sorted   LISTS ")
    assert shadow.work() == 1
    seen = windows(service, "candidate")
    one = [name for name in IDS if name != IDS[3]][:10]
    two = [name for name in (*IDS[1:], IDS[0]) if name != IDS[3]][:10]
    gains = [[QUERY.grades.get(name, 0) for name in found] for found in (one, two)]
    expected = ndcg(gains, k=10, ideal=[[2, 1]] * 2)
    assert seen.means["delta nDCG@10"].mean == pytest.approx(expected[1] - expected[0])
    assert seen.means["delta RR@10"].mean == pytest.approx(1 / 4 - 1)
    assert seen.means["Jaccard@10"].mean == pytest.approx(overlap(one, two))
    assert seen.means["R@5"].mean == 0.5 and windows(service, "stable").means["R@5"].mean == 1.0
    assert seen.worst == ((float(expected[1] - expected[0]), "q1"),)


def test_a_replay_is_no_request(tmp_path):
    """It counts in no share of errors and in no latency, and in the slices of its query."""
    service, shadow = judging(tmp_path)
    shadow.offer("sorted lists")
    shadow.work()
    assert windows(service, "candidate").requests.n == windows(service, "stable").requests.n == 0
    assert windows(service, "candidate", "hard_nl").means["delta nDCG@10"].n == 1


@pytest.mark.parametrize(("text", "share", "taken"), [
    ("sorted lists", 1.0, 1), ("sorted lists", 0.6, 1), ("sorted lists", 0.4, 0), ("something else", 1.0, 0)])
def test_only_a_share_of_what_is_judged_is_taken(tmp_path, text, share, taken):
    """Queries without judgements show nothing, so that nothing is claimed of them."""
    _, shadow = judging(tmp_path, share=share)
    shadow.offer(text)
    assert shadow.work() == taken


def test_a_candidate_that_fails_here_shows_nothing(tmp_path):
    """An arm that raises in the background costs no answer and makes no number."""
    def broken(_):
        raise RuntimeError

    service, shadow = judging(tmp_path)
    service.arms._loaded[CANDIDATE].live.does = broken
    shadow.offer("sorted lists")
    assert shadow.work() == 0 and not windows(service, "candidate").means


def test_a_stable_release_alone_is_watched_too(tmp_path):
    """Without a candidate the measures of its own policy are read all the same."""
    service, shadow = judging(tmp_path, candidate=None)
    shadow.offer("sorted lists")
    assert shadow.work() == 1
    assert windows(service, "stable").means["R@5"].n == 1 and not windows(service, "candidate").means


def test_more_than_can_be_replayed_is_left_out(tmp_path):
    """The queue is bounded: an offer never waits."""
    _, shadow = judging(tmp_path)
    for _ in range(500):
        shadow.offer("sorted lists")
    assert shadow.work() == 100


def test_judged_queries_are_those_that_gates_judge_on():
    """Of each text task the judge fold, with its own document, its module where it is known, and its grades."""
    world = tiny_world()
    task = world.task("see_also").judge()
    found = judged_of(world, {"see_also"})
    assert {one.query for one in found.values()} <= set(task.query_ids)
    one = found[plain_text(task.texts[0])]
    assert one.own == world.corpus.ids[task.own[0]] and one.module == task.clusters[0]
    rows = task.qrels.query == task.qrels.queries.tolist().index(one.query)
    assert one.grades == {task.qrels.docs[doc]: grade for doc, grade in
                          zip(task.qrels.doc[rows], task.qrels.relevance[rows], strict=True) if grade > 0}


def test_a_query_without_an_answer_scores_nothing():
    """No hits are a value of 0, never a missing one."""
    assert values_of(QUERY, [], scored(["R@5", "RR", "nDCG@10"])) == {"R@5": 0.0, "RR": 0.0, "nDCG@10": 0.0}
