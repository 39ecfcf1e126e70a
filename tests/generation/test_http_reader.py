"""The reader behind HTTP, against a real server: it answers, holds its limits, and loses no question."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixtures.answers import answers_world
from fixtures.openai_server import model_server
from harness.data.canonical import digest_of
from harness.errors import InputError, SignoffError, UsageError
from harness.generation.choosing import Chooser, word_index
from harness.generation.client import Client, Completion, DeniedError, LateError, RefusedError, TransientError
from harness.generation.endpoint import Endpoint
from harness.generation.extractive import ExtractiveReader
from harness.generation.http_reader import HttpReader, http_reader, is_degraded
from harness.generation.limits import Limits, Question, read_many
from harness.generation.passages import passages_of
from harness.generation.prompts import Template
from harness.generation.shapes import Passage, Reader, Reply, Shot

PASSAGES = [
    Passage("sort#0001", "sort", 0, "parameters", "axis", "np · sort", "Axis along which to sort.", "np"),
    Passage("mean#0002", "mean", 1, "parameters", "dtype", "np · mean", "Type of the computed mean.", "np"),
]
ASKED = [Question(f"Of what type is mean number {at}?" if at % 2 else f"Along which axis, case {at}?", PASSAGES)
         for at in range(24)]
QUICK = Limits(backoff_s=0.0, retries=2)
HASTY = QUICK.model_copy(update={"text_timeout_s": 0.3, "call_timeout_s": 5.0})


class First:
    """A fallback: the first passage's words."""

    model = "first"

    def read(self, question, passages, shots=()):
        return Reply(passages[0].text, (passages[0].id,), tuple(one.id for one in passages), 0, 0, False, 0, 5, "first",
                     1.0)


def reader_of(server, limits=QUICK, **options):
    return HttpReader(Client(Endpoint(server.url, "tiny")), limits=limits, **options)


def told(reply):
    """What of a reply does not depend on the machine's pace."""
    return replace(reply, total_ms=0.0)


def test_it_answers_from_the_passages_and_cites_them():
    """A whole round: prompt, server, text without marks, citation, counts by the server, one call."""
    with model_server() as server:
        reader = reader_of(server)
        assert isinstance(reader, Reader)
        found = reader.read("Of what type is the mean?", PASSAGES, [Shot("s", "what?", "that")])
    assert (found.text, found.cited) == ("Type of the computed mean.", ("mean#0002",))
    assert (found.passages, found.model, found.calls, found.retries) == (("sort#0001", "mean#0002"), "tiny", 1, 0)
    assert found.prompt_tokens > 50 and found.answer_tokens == 6 and 0.0 < found.total_ms < 2000.0
    assert not found.timed_out and not is_degraded(found)
    assert reader.served == ("tiny fp_tiny",)
    assert [one["role"] for one in server.seen[0].sent["messages"]] == ["system", "user", "assistant", "user"]


def test_questions_of_a_corpus_are_read_by_the_server_or_by_who_stands_in():
    """Passages chosen from real documents: each answer cites one that was shown; extracts bridge an outage."""
    world = answers_world()
    passages = passages_of(world.corpus, chunk_words=80)
    chooser, places = Chooser(passages, word_index(passages)), range(len(world.corpus))
    asked = [Question(text, chooser.choose(text, places)) for text in world.task("answers").texts]
    with model_server(plan=lambda number: "500" if number >= 9 else "") as server:
        found = read_many(reader_of(server, fallback=ExtractiveReader()), asked, Limits(workers=1))
    assert all(one.text and one.cited and set(one.cited) <= set(one.passages) for one in found)
    assert [one.model for one in found] == ["tiny"] * 9 + ["extractive instead of tiny"] * (len(asked) - 9)
    for one, question in zip(found[9:], asked[9:], strict=True):
        alone = ExtractiveReader().read(*question)
        assert (one.text, one.cited, one.calls) == (alone.text, alone.cited, 3)


def test_two_runs_give_the_same_replies():
    """Same questions, whatever the workers: the same texts, citations and counts, in the order asked."""
    with model_server(plan=lambda number: "slow" if number % 5 == 0 else "", slow_s=0.02) as server:
        runs = [[told(one) for one in read_many(reader_of(server), ASKED, Limits(workers=workers))]
                for workers in (1, 2, 3)]  # fmt: skip
    assert runs[0] == runs[1] == runs[2]
    assert [one.cited for one in runs[0]] == [("mean#0002",) if at % 2 else ("sort#0001",) for at in range(24)]


def test_under_load_no_question_is_lost():
    """A server that slows, errs, hangs, limits and breaks off: all answered or degraded, in order, in bounds."""
    faults = ["", "slow", "500", "", "hang", "429", "", "garbage", "closed", "", "torn", "400", "no text"]
    with model_server(plan=lambda number: faults[number % len(faults)], slow_s=0.02, after="0.01") as server:
        limits = HASTY.model_copy(update={"in_flight": 2, "requests_per_second": 200.0})
        reader = reader_of(server, limits, fallback=First())
        reader.check()
        found, probes = read_many(reader, ASKED, limits), 1
    assert len(found) == len(ASKED)
    assert all(one.text for one in found)
    for at, one in enumerate(found):
        wanted = "first instead of tiny" if is_degraded(one) else "tiny"
        assert one.model == wanted
        assert is_degraded(one) or one.cited == (("mean#0002",) if at % 2 else ("sort#0001",))
    assert sum(one.calls for one in found) + probes == len(server.seen)
    assert all(one.retries == one.calls - 1 <= 2 for one in found)
    assert sum(one.timed_out for one in found) >= 1 and sum(one.retries for one in found) >= 5
    assert all(is_degraded(one) for one in found if one.timed_out)
    assert server.most_under_way == 2


def test_without_limits_the_server_sees_it():
    """The same load by three in flight is counted as three on the server's side: the cap above is what held."""
    with model_server(plan=lambda _: "slow", slow_s=0.03) as server:
        read_many(reader_of(server, QUICK.model_copy(update={"in_flight": 3})), ASKED[:9], Limits())
    assert server.most_under_way == 3


@pytest.mark.parametrize(("per_s", "counted", "refused"), [(8.0, 50.0, {0}), (None, 2.0, {2, 3})])
def test_the_rate_keeps_a_server_that_counts_content(per_s, counted, refused):
    """A server that refuses what comes too soon after another has nothing to refuse at a rate below its own."""
    with model_server(per_s=counted) as server:
        limits = Limits(requests_per_second=per_s, backoff_s=0.0, retries=0)
        found = read_many(reader_of(server, limits), ASKED[:4], limits)
    assert sum(is_degraded(one) for one in found) in refused


def test_a_server_that_asks_for_a_pause_is_left_alone_by_everyone():
    """After a 429 with Retry-After not even another worker's question is sent before it is over."""
    with model_server(plan=lambda number: "" if number else "429", after="0.3") as server:
        limits = QUICK.model_copy(update={"in_flight": 1})
        found = read_many(reader_of(server, limits), ASKED[:4], limits)
    assert server.seen[1].at - server.seen[0].at >= 0.3
    assert [one.retries for one in found].count(1) == 1 and sum(one.calls for one in found) == 5


class Scripted(Client):
    """Ends each request as told, after so many seconds of a clock of its own."""

    def __init__(self, *ends):
        super().__init__(Endpoint("http://localhost/v1", "tiny"))
        self.ends, self.now, self.slept, self.given = list(ends), 0.0, [], []

    def complete(self, messages, *, within_s):
        seconds, end = self.ends.pop(0)
        self.given.append(within_s)
        self.now += min(seconds, within_s)
        if seconds > within_s:
            raise LateError("no answer in time")
        if isinstance(end, Exception):
            raise end
        return Completion(end, None, None, "")

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def busy(after=0.0):
    error = TransientError("busy")
    error.after_s = after
    return error


def scripted(*ends, **options):
    client = Scripted(*ends)
    reader = HttpReader(client, clock=lambda: client.now, sleep=client.sleep, **options)
    return client, reader.read("what type?", PASSAGES)


def test_time_is_kept_to_the_second():
    """25 s for a text, 35 s for a call: a second request gets what the first and the pause have left."""
    client, found = scripted((20.0, busy()), (99.0, "late"))
    assert client.given == [25.0, 14.5] and client.slept == [0.5]
    assert (found.timed_out, found.calls, found.retries, found.total_ms) == (True, 2, 1, 35_000.0)
    client, found = scripted((26.0, "late"))
    assert (found.timed_out, found.calls, found.total_ms) == (True, 1, 25_000.0)
    client, found = scripted((24.9, "in time [1]"))
    assert (found.timed_out, found.text, found.total_ms) == (False, "in time", pytest.approx(24_900.0))


def test_pauses_double_and_the_server_may_ask_for_more():
    """Backoff 0.5, 1, 2 s; a longer Retry-After instead; one that no call can outlast is a hard time-out at once."""
    client, found = scripted((0.0, busy()), (0.0, busy()), (0.0, busy()), (0.0, "yes [1]"))
    assert client.slept == [0.5, 1.0, 2.0] and found.retries == 3 and not is_degraded(found)
    client, found = scripted((0.0, busy(3.0)), (0.0, "yes [1]"))
    assert client.slept == [3.0] and found.total_ms == 3000.0
    client, found = scripted((0.0, busy(3600.0)))
    assert client.slept == [] and found.timed_out and found.calls == 1
    client, found = scripted(*[(0.0, busy())] * 4)
    assert found.calls == 4 and found.retries == 3 and not found.timed_out and is_degraded(found)


def test_what_is_refused_is_not_asked_again():
    """A question that the server will not have is degraded after one request, and nobody else answers unless told."""
    _, found = scripted((0.0, RefusedError("too long")))
    assert (found.calls, found.text, found.model) == (1, "", "nothing instead of tiny")
    _, found = scripted((0.0, RefusedError("too long")), fallback=First())
    assert (found.calls, found.cited, found.model) == (1, ("sort#0001",), "first instead of tiny")
    assert found.total_ms == 1.0


def test_a_key_that_is_taken_away_loses_one_question_and_not_the_run():
    """Before the first answer a wrong key ends the run; after it, the question is degraded."""
    client = Scripted((0.0, "yes [1]"), (0.0, DeniedError("the key is not accepted")))
    reader = HttpReader(client, clock=lambda: client.now, sleep=client.sleep)
    assert [is_degraded(reader.read("what?", PASSAGES)) for _ in range(2)] == [False, True]
    with pytest.raises(DeniedError, match="the key is not accepted"):
        scripted((0.0, DeniedError("the key is not accepted")))


@pytest.mark.parametrize(("told", "says"), [
    ({"key": "sk-1"}, r"the key is not accepted; expected a valid OPENAI_API_KEY, found 'status 401'"),
    ({"models": ("tidy", "other")}, r"no such model; expected one of other, tidy, found 'tiny' \(nearest: tidy\)"),
    ({"plan": lambda _: "500"}, r"the server failed; found 'status 500'"),
    ({"plan": lambda _: "hang"}, r"no answer in time; expected within 0\.3 s"),
])  # fmt: skip
def test_a_server_that_will_not_do_is_told_at_the_start(told, says):
    """One line that names it, exit code 2, before any question is asked."""
    with model_server(**told) as server, pytest.raises(InputError, match=says) as caught:
        reader_of(server, HASTY).check()
    assert caught.value.exit_code == 2 and server.url in str(caught.value)


def test_a_server_that_is_not_there_ends_the_run():
    """Nobody listens: one line from the first question, after the retries."""
    with model_server() as gone:
        pass
    with pytest.raises(SignoffError, match=f"model server {gone.url}: cannot be reached"):
        read_many(reader_of(gone, fallback=First()), ASKED, Limits())


def test_nothing_is_asked_without_a_passage():
    """No passages, no answer; none that fits the budget, or a question over it, is degraded without a request."""
    with model_server() as server:
        reader = reader_of(server, budget=150, fallback=First())
        assert reader.read("what?", []) == Reply("", (), (), 0, 0, False, 0, 0, "tiny", 0.0)
        huge = [replace(PASSAGES[0], text="word " * 500)]
        for found in (reader.read("what?", huge), reader.read("what " * 500, PASSAGES)):
            assert (found.calls, found.model) == (0, "first instead of tiny")
    assert server.seen == []


def test_a_kept_reply_says_that_nothing_was_asked(tmp_path):
    """A warm cache gives the same text with no call; EVAL_DISABLE_CACHE=1 asks again; another seed was never asked."""
    with model_server() as server:
        environ = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-secret"}

        def ask(seed=42, **more):
            reader = http_reader(environ | more, model="tiny", seed=seed, cache=tmp_path / "kept")
            return reader.read("what type?", PASSAGES)

        fresh, warm, off, other = ask(), ask(), ask(EVAL_DISABLE_CACHE="1"), ask(seed=7)
    assert [one.calls for one in (fresh, warm, off, other)] == [1, 0, 1, 1]
    assert told(replace(warm, calls=1)) == told(fresh) == told(off)
    kept = "".join(path.read_text() for path in (tmp_path / "kept").glob("*.json"))
    assert len(list((tmp_path / "kept").glob("*.json"))) == 2 and "sk-secret" not in kept


@pytest.mark.parametrize("damage", ["", "{}", "[1]", "[null, null, null, \"\"]", "[\"yes\", 1"])
def test_a_damaged_cache_is_asked_again(tmp_path, damage):
    """A file that holds no completion is no answer, and is mended by the next one."""
    with model_server() as server:
        environ = {"OPENAI_BASE_URL": server.url}
        calls = []
        for _ in range(3):
            calls.append(http_reader(environ, model="tiny", cache=tmp_path).read("what type?", PASSAGES).calls)
            if len(calls) == 1:
                next(tmp_path.glob("*.json")).write_text(damage)
    assert calls == [1, 1, 0]


def test_switches_of_the_environment_are_read():
    """Limits, temperature and cache switch: what is wrong is told by its variable."""
    environ = {"OPENAI_BASE_URL": "http://localhost/v1"}
    assert http_reader(environ | {"READER_RETRIES": "0", "OPENAI_TEMPERATURE": "0"}, model="m").limits.retries == 0
    with pytest.raises(InputError, match="OPENAI_TEMPERATURE: temperature is 0 and nothing else"):
        http_reader(environ | {"OPENAI_TEMPERATURE": "0.2"}, model="m")
    with pytest.raises(UsageError, match="EVAL_DISABLE_CACHE must be 0 or 1"):
        http_reader(environ | {"EVAL_DISABLE_CACHE": "yes"}, model="m")


def test_every_prompt_is_audited():
    """The audit is told each prompt's digest before it is sent: as many as prompts, and of what the server saw."""
    audited = []
    with model_server() as server:
        reader = reader_of(server, audit=lambda question, digest: audited.append(digest), template=Template(cot=True))
        read_many(reader, ASKED[:4], Limits(workers=1))
    assert audited == [digest_of(one.sent["messages"]) for one in server.seen]
    assert "step by step" in json.dumps(server.seen[0].sent)
