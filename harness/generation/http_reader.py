"""A reader that asks a model behind HTTP, within limits, and stays an answering system when the model is none.

A question that the model does not answer is *degraded*: the fallback reader answers it, else nobody does, and the reply
says both what was tried and who answered. Only what would be so for every question ends a run, and only before the
first answer: a wrong key, a wrong address, a model that is not there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.errors import InputError, nearest
from harness.generation.client import (
    Client,
    Completion,
    DeniedError,
    LateError,
    RefusedError,
    TransientError,
    checked_temperature,
)
from harness.generation.endpoint import endpoint_from
from harness.generation.limits import Limits, Turns, limits_from
from harness.generation.prompts import Message, OverBudgetError, Prompt, Template, build, count_tokens, parse
from harness.generation.reply_cache import ReplyCache, reply_cache
from harness.generation.shapes import Passage, Reader, Reply, Shot

__all__ = ["HttpReader", "http_reader", "is_degraded"]

_INSTEAD = " instead of "
_PROBE: list[Message] = [{"role": "user", "content": "Reply with the word: ready"}]


class _Tried(NamedTuple):
    """What became of one question: the text if there is one, requests sent, seconds they and their pauses took."""

    found: Completion | None
    calls: int
    spent_s: float
    late: bool
    why: InputError | None


class HttpReader:
    """A model behind HTTP as a reader; one may be used by several threads at once.

    Attributes:
        client, limits, template, budget, fallback, cache: As given.
        model: The model's name on its server.
    """

    def __init__(self, client: Client, *, limits: Limits | None = None, template: Template | None = None,
                 budget: int = 1500, fallback: Reader | None = None, cache: ReplyCache | None = None,
                 audit: Callable[[str, str], None] | None = None, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        """Put a reader together; nothing is sent yet.

        Args:
            client: To whom requests go.
            limits: How hard it may be asked; the usual ones where None.
            template: The prompt's fixed words; the usual ones where None.
            budget: Most tokens of a prompt, by `prompts.count_tokens`.
            fallback: Who answers what the model does not.
            cache: Where completions are kept; None keeps none.
            audit: Told question and prompt digest of each prompt before it is sent.
            clock: Seconds, monotonic.
            sleep: Waits so many seconds.
        """
        self.client, self.limits, self.template = client, limits or Limits(), template or Template()
        self.budget, self.fallback, self.cache, self.model = budget, fallback, cache, client.endpoint.model
        self._audit, self._clock, self._sleep = audit, clock, sleep
        self._turns = Turns(self.limits, clock=clock, sleep=sleep)
        self._met, self._served, self._noting = threading.Event(), set[str](), threading.Lock()

    @property
    def served(self) -> tuple[str, ...]:
        """What the server called the models that answered so far, ascending: one, if it held still."""
        with self._noting:
            return tuple(sorted(self._served))

    def check(self) -> None:
        """See that the model is there and answers, by one small request.

        Raises:
            InputError: It does not: one line that names the server and what is wrong.
        """
        listed: list[str] = []
        with self._turns.turn():
            try:
                listed = self.client.models(within_s=self.limits.text_timeout_s)
            except DeniedError as error:
                if "key" in error.what:
                    raise
            except RefusedError:
                pass  # a gateway without such a list: the request below tells
        if listed and self.model not in listed:
            raise DeniedError("no such model", where=f"model server {self.client.endpoint.url}", found=self.model,
                              expected=f"one of {', '.join(sorted(listed)[:8])}", hint=nearest(self.model, listed))
        tried = self._ask(_PROBE)
        if tried.found is None and tried.why is not None:
            raise tried.why

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Answer from the passages and cite them; no passages, no answer.

        A question that is over the budget, or whose passages all are, is degraded without being sent.

        Raises:
            InputError: Before the model's first answer: the key, the address or the model is wrong.
        """
        if not passages:
            return Reply("", (), (), 0, 0, False, 0, 0, self.model, 0.0)
        try:
            prompt = build(self.template, question, passages, shots, budget=self.budget)
        except OverBudgetError as error:
            return self._degraded((), _Tried(None, 0, 0.0, False, error), question, passages, shots)
        if not prompt.passages:
            return self._degraded((), _Tried(None, 0, 0.0, False, None), question, passages, shots)
        if self._audit is not None:
            self._audit(question, prompt.digest)
        return self._answered(prompt, question, passages, shots)

    def _answered(self, prompt: Prompt, question: str, passages: Sequence[Passage], shots: Sequence[Shot]) -> Reply:
        started, sent = self._clock(), self.client.payload(prompt.messages)
        kept = self.cache.get(self.client.endpoint.url, sent) if self.cache else None
        if kept is not None:
            return self._reply(prompt, _Tried(kept, 0, self._clock() - started, False, None), kept)
        tried = self._ask(prompt.messages)
        if tried.found is None:
            return self._degraded(prompt.passages, tried, question, passages, shots)
        if self.cache is not None:
            self.cache.put(self.client.endpoint.url, sent, tried.found)
        return self._reply(prompt, tried, tried.found)

    def _ask(self, messages: Sequence[Message]) -> _Tried:
        spent, calls = 0.0, 0
        while True:
            with self._turns.turn():
                started = self._clock()
                ended = self._try(messages, self.limits.call_timeout_s - spent)
                spent, calls = spent + self._clock() - started, calls + 1
                pause = self._pause(ended, calls, spent)  # before the turn is given back: nobody slips in
            if isinstance(ended, Completion):
                return _Tried(ended, calls, spent, False, None)
            if pause is None or spent + pause >= self.limits.call_timeout_s:
                late = isinstance(ended, LateError) or pause is not None
                return self._given_up(_Tried(None, calls, spent, late, ended))
            self._sleep(pause)
            spent += pause

    def _pause(self, ended: Completion | InputError, calls: int, spent: float) -> float | None:
        """Seconds until the request is repeated, None where it is not; one that the server asks for is everybody's."""
        if not isinstance(ended, TransientError) or calls > self.limits.retries:
            return None
        pause = max(self.limits.backoff_s * 2.0 ** (calls - 1), ended.after_s)
        if ended.after_s and spent + pause < self.limits.call_timeout_s:
            self._turns.rest(ended.after_s)
        return pause

    def _try(self, messages: Sequence[Message], left_s: float) -> Completion | InputError:
        try:
            found = self.client.complete(messages, within_s=min(self.limits.text_timeout_s, left_s))
        except (TransientError, LateError, RefusedError, DeniedError) as error:
            return error
        self._met.set()
        with self._noting:
            self._served.add(found.served or self.model)
        return found

    def _given_up(self, tried: _Tried) -> _Tried:
        """A question without a text; before the first answer, what would be so for every question is an error."""
        always = isinstance(tried.why, DeniedError) or (isinstance(tried.why, TransientError) and tried.why.unreached)
        if always and not self._met.is_set() and tried.why is not None:
            raise tried.why
        return tried

    def _reply(self, prompt: Prompt, tried: _Tried, found: Completion) -> Reply:
        said = parse(found.text, prompt.passages, cot=self.template.cot)
        return Reply(said.text, said.cited, prompt.passages, tried.calls, max(tried.calls - 1, 0), False,
                     prompt.tokens if found.prompt_tokens is None else found.prompt_tokens,
                     count_tokens(found.text) if found.answer_tokens is None else found.answer_tokens, self.model,
                     tried.spent_s * 1000.0)

    def _degraded(self, shown: tuple[str, ...], tried: _Tried, question: str, passages: Sequence[Passage],
                  shots: Sequence[Shot]) -> Reply:
        answered = Reply("", (), shown, 0, 0, False, 0, 0, "nothing", 0.0)
        if self.fallback is not None:
            answered = self.fallback.read(question, passages, shots)
        return replace(answered, calls=tried.calls, retries=max(tried.calls - 1, 0), timed_out=tried.late,
                       model=f"{answered.model}{_INSTEAD}{self.model}",
                       total_ms=answered.total_ms + tried.spent_s * 1000.0)


def http_reader(environ: Mapping[str, str], *, model: str, url: str | None = None, seed: int = 42, cot: bool = False,
                budget: int = 1500, max_tokens: int = 256, limits: Limits | None = None, fallback: Reader | None = None,
                cache: Path | None = None, audit: Callable[[str, str], None] | None = None) -> HttpReader:
    """The reader that a manifest and the environment describe; nothing is sent yet.

    Args:
        environ: OPENAI_BASE_URL (where `url` is None), OPENAI_API_KEY, OPENAI_TEMPERATURE (0 or nothing),
            EVAL_DISABLE_CACHE, and the limits in `limits.SWITCHES`.
        model: Its name on its server.
        url: Address of the server.
        seed: Sent with each request.
        cot: Whether the model is told to think step by step.
        budget: Most tokens of a prompt.
        max_tokens: Most tokens of an answer.
        limits: How hard it may be asked, unless the environment says otherwise.
        fallback: Who answers what the model does not.
        cache: Folder where completions are kept; None keeps none.
        audit: Told question and prompt digest of each prompt before it is sent.

    Raises:
        InputError: The environment, the address or the model's name cannot be used.
        UsageError: No server is named, or a switch is neither 0 nor 1.

    >>> http_reader({"OPENAI_BASE_URL": "http://localhost:8000/v1"}, model="tiny").model
    'tiny'
    """
    checked_temperature(environ.get("OPENAI_TEMPERATURE", "").strip() or 0, where="environment, OPENAI_TEMPERATURE")
    client = Client(endpoint_from(environ, model=model, url=url), seed=seed, max_tokens=max_tokens)
    return HttpReader(client, limits=limits_from(environ, limits), template=Template(cot=cot), budget=budget,
                      fallback=fallback, cache=reply_cache(cache, environ), audit=audit)


def is_degraded(reply: Reply) -> bool:
    """Whether somebody else, or nobody, answered in the model's place.

    >>> is_degraded(Reply("", (), (), 3, 2, False, 90, 0, "extractive instead of tiny", 12.0))
    True
    """
    return _INSTEAD in reply.model
