"""A user's own retriever behind three doors: a Python callable, a command, an HTTP endpoint.

All three take queries and a depth and answer, per query and best first, [document id, score] pairs. What they answer is
checked before a number is made of it; a crash, a time-out, an answer without end or a malformed one is one line, never
an empty hit. `bounded` holds the deadline and the size.
"""

from __future__ import annotations

import http.client
import importlib
import json
import shlex
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from harness.errors import InputError, SignoffError
from harness.retrieval.bounded import MOST_BYTES, post, run
from harness.retrieval.hits import checked_depth
from harness.retrieval.protocols import Hits
from harness.retrieval.texts import checked_texts

__all__ = [
    "Answers", "CallableSource", "CommandSource", "ExternalRetriever", "HttpSource", "Source", "checked_answers",
    "external_retriever", "external_source",
]

Answers = list[list[tuple[str, float]]]
_LARGEST = float(np.finfo(np.float32).max)


class Source(Protocol):
    """Something that answers queries with (document id, score) pairs."""

    def answer(self, queries: Sequence[str], *, k: int) -> Answers:
        """Per query at most `k` pairs, best first."""
        ...


@dataclass(frozen=True)
class CallableSource:
    """`package.module:function`, called as `function(queries, k)`."""

    target: str

    def answer(self, queries: Sequence[str], *, k: int) -> Answers:
        """Call the function and check what it returns."""
        try:
            answer = self._function()(list(queries), k)
        except SignoffError:
            raise
        except Exception as error:  # the user's code: whatever it raises is told, not thrown
            raise InputError("the retriever failed", where=self.target, found=_told(error)) from None
        return checked_answers(answer, len(queries), k=k, where=self.target)

    def _function(self) -> Callable[[list[str], int], Any]:
        module, _, name = self.target.partition(":")
        if not module or not name:
            raise InputError("not a callable's name", where=self.target, expected="package.module:function")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as error:  # importing runs the user's code
            raise InputError("cannot be imported", where=self.target, found=_told(error)) from None
        if not callable(found):
            raise InputError("not callable", where=self.target, expected="a function", found=type(found).__name__)
        return found  # type: ignore[no-any-return]  # what a user's callable returns is checked as data


@dataclass(frozen=True)
class CommandSource:
    """A program that reads {"query", "k"} lines on stdin and writes one line of pairs for each, in order."""

    command: str | tuple[str, ...]
    timeout_s: float = 60.0
    environment: Mapping[str, str] | None = None
    most_bytes: int = MOST_BYTES

    def answer(self, queries: Sequence[str], *, k: int) -> Answers:
        """Run the program once over all queries; no shell is involved."""
        words = self._words()
        where = f"command {words[0]}" if words else "command"
        sent = "".join(json.dumps({"query": query, "k": k}) + "\n" for query in queries)
        lines = self._run(words, sent, where).removesuffix("\n").split("\n")  # text may hold other ends of lines
        lines = [] if lines == [""] else lines
        if len(lines) != len(queries):
            raise InputError("wrong number of answers", where=where, expected=f"{len(queries)} lines", found=len(lines))
        answer = [_parsed(line, where, row=row) for row, line in enumerate(lines, start=1)]
        return checked_answers(answer, len(queries), k=k, where=where)

    def _words(self) -> list[str]:
        try:
            return shlex.split(self.command) if isinstance(self.command, str) else list(self.command)
        except ValueError as error:
            raise InputError("not a command", where=f"command {self.command}", found=str(error)) from None

    def _run(self, words: list[str], sent: str, where: str) -> str:
        try:
            done = run(words, sent.encode(), timeout_s=self.timeout_s, where=where, most_bytes=self.most_bytes,
                       environment=self.environment)
            text = done.out.decode()
        except UnicodeDecodeError:
            raise InputError("answer is not UTF-8", where=where, expected="JSON lines") from None
        except (OSError, ValueError, IndexError) as error:
            raise InputError("cannot be run", where=where, found=str(error)) from None
        if done.code:
            last = done.err.decode(errors="replace").strip().rpartition("\n")[2]
            raise InputError(f"exited with {done.code}", where=where, expected="exit code 0", found=last)
        return text


@dataclass(frozen=True)
class HttpSource:
    """An endpoint that takes POST {"queries", "k"} as JSON and returns {"hits": [...]} or the list itself."""

    url: str
    timeout_s: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = MOST_BYTES

    def answer(self, queries: Sequence[str], *, k: int) -> Answers:
        """Ask once for all queries."""
        body = json.dumps({"queries": list(queries), "k": k}).encode()
        found = _parsed(self._post(body), self.url)
        answer = found.get("hits") if isinstance(found, dict) else found
        return checked_answers(answer, len(queries), k=k, where=self.url)

    def _post(self, body: bytes) -> bytes:
        try:
            if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
                raise InputError("not an HTTP address", where=self.url, expected="http:// or https://")
            headers = {"Content-Type": "application/json", **self.headers}
            request = urllib.request.Request(self.url, data=body, headers=headers)
            return post(request, timeout_s=self.timeout_s, where=self.url, most_bytes=self.most_bytes)
        except urllib.error.HTTPError as error:
            error.close()
            raise InputError("endpoint refused", where=self.url, expected="status 200", found=error.code) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            found = getattr(error, "reason", error)
            what = "no answer in time" if isinstance(found, TimeoutError) else "cannot be reached"
            raise InputError(what, where=self.url, found=str(found)) from None


@dataclass(frozen=True, eq=False)
class ExternalRetriever:
    """A source as a retriever: document ids become codes by `positions`, in batches of `batch` queries."""

    source: Source
    positions: Mapping[str, int]
    batch: int = 256

    def retrieve(self, texts: Sequence[str], *, k: int) -> Hits:
        """The source's answers, ordered by the tie rule. Raises InputError for a document that is not in the corpus."""
        codes = np.full((len(checked_texts(texts, where="retrieve")), checked_depth(k)), -1, dtype=np.int64)
        scores = np.full(codes.shape, -np.inf, dtype=np.float32)
        for start in range(0, len(texts), self.batch):
            for row, pairs in enumerate(self.source.answer(texts[start : start + self.batch], k=k), start=start):
                found = np.array([self._code(doc, row) for doc, _ in pairs], dtype=np.int64)
                score = np.array([value for _, value in pairs], dtype=np.float32)
                order = np.lexsort((-found, -score))
                codes[row, : len(found)], scores[row, : len(found)] = found[order], score[order]
        return Hits(codes, scores)

    def _code(self, doc: str, row: int) -> int:
        if doc not in self.positions:
            raise InputError("hit is not in the corpus", where="retriever", row=row + 1, found=doc,
                             expected=f"one of its {len(self.positions)} documents")
        return self.positions[doc]


def external_source(kind: str, target: str, *, timeout_s: float = 60.0) -> Source:
    """The source a manifest names: `callable`, `command` or `http`."""
    if kind == "callable":
        return CallableSource(target)
    if kind == "command":
        return CommandSource(target, timeout_s=timeout_s)
    if kind == "http":
        return HttpSource(target, timeout_s=timeout_s)
    raise InputError("no such kind of retriever", expected="callable, command, http", found=kind)


def external_retriever(kind: str, target: str, *, ids: Sequence[str], timeout_s: float = 60.0) -> ExternalRetriever:
    """The same as a retriever over the documents `ids`, whose places are their codes."""
    source = external_source(kind, target, timeout_s=timeout_s)
    return ExternalRetriever(source, {name: code for code, name in enumerate(ids)})


def checked_answers(answer: Any, n: int, *, k: int, where: str) -> Answers:
    """`answer` as one list of at most `k` (id, finite score) pairs for each of `n` queries; no document twice."""
    if not isinstance(answer, list | tuple) or len(answer) != n:
        found = len(answer) if isinstance(answer, list | tuple) else type(answer).__name__
        raise InputError("wrong number of answers", where=where, expected=f"a list of {n}", found=found)
    return [_checked_row(row, k=k, where=where, place=place) for place, row in enumerate(answer, start=1)]


def _checked_row(row: Any, *, k: int, where: str, place: int) -> list[tuple[str, float]]:
    if not isinstance(row, list | tuple) or len(row) > k:
        raise InputError("not a list of hits", where=where, row=place, expected=f"at most {k} pairs", found=row)
    pairs = [_checked_pair(pair, where=where, place=place) for pair in row]
    if len({doc for doc, _ in pairs}) < len(pairs):
        raise InputError("a document twice in one answer", where=where, row=place, expected="each document once")
    return pairs


def _checked_pair(pair: Any, *, where: str, place: int) -> tuple[str, float]:
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str) or not pair[0]:
        raise InputError("not a hit", where=where, row=place, expected="[document id, score]", found=pair)
    score = pair[1]
    number = isinstance(score, int | float | np.integer | np.floating) and not isinstance(score, bool)
    if not number or not -_LARGEST <= score <= _LARGEST:  # NaN fails both comparisons
        raise InputError("score is not a number", where=where, row=place, expected="a finite number", found=score)
    return pair[0], float(score)


def _parsed(raw: str | bytes, where: str, *, row: int | None = None) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise InputError("answer is not JSON", where=where, row=row, found=raw[:60]) from None


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
