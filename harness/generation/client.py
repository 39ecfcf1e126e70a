"""One request to a server that speaks OpenAI's /chat/completions, at temperature 0, with a seed, until a deadline.

The deadline is for the whole exchange: the connection, the headers, the body. What went wrong is told apart by what
may be done about it: try again (`TransientError`), give this question up (`LateError`, `RefusedError`), or mend the
address, the key or the model's name (`DeniedError`). The key stands in no text, file or record.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from harness.data.canonical import strict_json
from harness.errors import InputError
from harness.generation.endpoint import LOCAL, Endpoint

if TYPE_CHECKING:
    import httpx

__all__ = ["Client", "Completion", "DeniedError", "LateError", "RefusedError", "TransientError",
           "checked_temperature"]

_MOST_BYTES = 4 << 20
_MAY_PASS = frozenset({408, 409, 425, 429})


class TransientError(InputError):
    """A failure that may pass by itself: no connection, a busy or broken server, half an answer.

    `after_s` is how long the server asked to be left alone; `unreached` that no server was found at all.
    """

    after_s: float = 0.0
    unreached: bool = False


class LateError(InputError):
    """The deadline passed before the whole text was there."""


class RefusedError(InputError):
    """The server refused this one request (too long, filtered); the same again would be refused again."""


class DeniedError(InputError):
    """Nothing that is asked can be answered: a wrong key, a wrong address, a model that is not there."""


class Completion(NamedTuple):
    """A model's text; tokens are None where the server does not count them, `served` is what says it answered."""

    text: str
    prompt_tokens: int | None
    answer_tokens: int | None
    served: str


class Client:
    """Sends conversations to an endpoint; holds no connection, so it needs no closing and may serve many threads."""

    def __init__(self, endpoint: Endpoint, *, seed: int = 42, max_tokens: int = 256) -> None:
        """`seed` is sent with each request; `max_tokens` is the most that an answer may be long."""
        import httpx  # here, not at a first request: that would start late and let the second come too close

        self.endpoint, self.seed, self.max_tokens = endpoint, seed, max_tokens
        # an http address shows no certificate, and to load the authorities' takes a tenth of a second
        self._tls: Any = httpx.create_ssl_context() if urlsplit(endpoint.url).scheme == "https" else False

    def payload(self, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """What is sent: the temperature is 0 and cannot be set.

        >>> sent = Client(Endpoint("http://localhost/v1", "tiny")).payload([{"role": "user", "content": "hi"}])
        >>> sent["temperature"], sent["seed"]
        (0, 42)
        """
        return {"model": self.endpoint.model, "messages": [dict(one) for one in messages], "temperature": 0,
                "seed": self.seed, "max_tokens": self.max_tokens, "stream": False}

    def complete(self, messages: Sequence[Mapping[str, str]], *, within_s: float) -> Completion:
        """The model's text, all of it within `within_s` seconds.

        Raises:
            TransientError, LateError, RefusedError, DeniedError: See the module's head; each is one line.
        """
        return _completion(self._json("POST", "chat/completions", self.payload(messages), within_s), self._where)

    def models(self, *, within_s: float) -> list[str]:
        """Names of the models that the server lists, none where it lists none. Raises as `complete` does."""
        found = self._json("GET", "models", None, within_s)
        data = found.get("data") if isinstance(found, dict) else None
        listed = data if isinstance(data, list) else []
        return [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]

    @property
    def _where(self) -> str:
        return f"model server {self.endpoint.url}"

    def _json(self, method: str, path: str, sent: dict[str, Any] | None, within_s: float) -> Any:
        status, headers, body = _finished(self._exchange(method, path, sent, within_s))
        if status != 200:
            raise self._trouble(status, headers, body)
        try:
            return strict_json(body, where=self._where)
        except InputError as error:
            raise TransientError(error.what, where=self._where, expected="one JSON document") from None

    async def _exchange(self, method: str, path: str, sent: Any, within_s: float
                        ) -> tuple[int, Mapping[str, str], bytes]:
        import httpx

        body = bytearray()
        try:
            async with (asyncio.timeout(within_s), self._session() as session,
                        session.stream(method, self.endpoint.at(path), json=sent) as answer):
                if "," in answer.headers.get("content-encoding", ""):  # a thousandfold of a thousandfold is no answer
                    raise RefusedError("answer is packed twice", where=self._where, expected="plain or gzip")
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES:
                        raise RefusedError("answer is too large", where=self._where,
                                           expected=f"at most {_MOST_BYTES} bytes")
                return answer.status_code, answer.headers, bytes(body)
        except TimeoutError:
            raise LateError("no answer in time", where=self._where, expected=f"within {within_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            unreached = isinstance(error, httpx.ConnectError)
            why = f"{type(error).__name__}: {error}" if unreached else type(error).__name__  # a name, a certificate
            told = TransientError("cannot be reached" if unreached else "broke off its answer", where=self._where,
                                  expected="a server that is running", found=why)
            told.unreached = unreached
            raise told from None

    def _session(self) -> httpx.AsyncClient:
        """Redirects are not followed (a key goes to no other host); a proxy stands before no local server."""
        import httpx

        key = self.endpoint.key
        return httpx.AsyncClient(verify=self._tls, timeout=None,
                                 trust_env=urlsplit(self.endpoint.url).hostname not in LOCAL,
                                 headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {})

    def _trouble(self, status: int, headers: Mapping[str, str], body: bytes) -> InputError:
        said, where, found = self._told(body), self._where, f"status {status}"
        if status in _MAY_PASS or status >= 500:
            what = "the server failed" if status >= 500 else "the server is busy"
            told = TransientError(what, where=where, found=found)
            told.after_s = _after(headers)
            return told
        if status in (401, 403):
            return DeniedError("the key is not accepted", where=where, expected="a valid OPENAI_API_KEY", found=found)
        if status == 404 or status < 400:
            return DeniedError(f"no such model or route{said}", where=where, found=found,
                               expected=f"model {self.endpoint.model!r}")
        return RefusedError(f"request refused{said}", where=where, found=found)

    def _told(self, body: bytes) -> str:
        """What an error's body says, short and without the key, which some servers repeat."""
        try:
            found = strict_json(body, where=self._where)["error"]
            said = str(found["message"] if isinstance(found, dict) else found)
        except (InputError, KeyError, TypeError):
            return ""
        key = self.endpoint.key.get_secret_value() if self.endpoint.key else ""
        said = said.replace(key, "…") if key else said
        return f" ({' '.join(said.split())[:160]})"


def checked_temperature(value: object, *, where: object = "reader.temperature") -> int:
    """0, where that is what was asked for: an evaluation that samples cannot be repeated.

    Raises:
        InputError: Anything else.

    >>> checked_temperature("0.0")
    0
    """
    try:
        zero = not isinstance(value, bool) and float(str(value)) == 0.0
    except ValueError:
        zero = False
    if not zero:
        raise InputError("temperature is 0 and nothing else: what samples cannot be evaluated twice alike", where=where,
                         expected="0", found=value)
    return 0


def _completion(found: Any, where: str) -> Completion:
    try:
        text = found["choices"][0]["message"]["content"]
        usage = found.get("usage") or {}
        counted = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (KeyError, IndexError, TypeError, AttributeError):
        raise TransientError("not a completion", where=where, expected="choices[0].message.content") from None
    if not isinstance(text, str):
        raise TransientError("not a completion", where=where, expected="text in choices[0].message.content")
    prompt, answer = (one if type(one) is int and one >= 0 else None for one in counted)
    served = " ".join(str(found[name])[:80] for name in ("model", "system_fingerprint") if found.get(name))
    return Completion(_whole(text), prompt, answer, _whole(served))


def _whole(text: str) -> str:
    """Half a pair of surrogates, left where an answer is cut off, can be written in no file: U+FFFD stands for it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _after(headers: Mapping[str, str]) -> float:
    """Seconds that Retry-After asks for: a number, or a date beside the server's own clock; 0 where it says nothing."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        seconds = _between(headers.get("date", ""), said)
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _between(now: str, then: str) -> float:
    try:
        moments: list[datetime] = [parsedate_to_datetime(then), parsedate_to_datetime(now)]
        return (moments[0] - moments[1]).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _finished(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end, from a thread that has an event loop of its own as well (a notebook, a service)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _looped(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_looped, work).result()


def _looped(work: Coroutine[Any, Any, Any]) -> Any:
    """As `asyncio.run`, which would wait at its end for a name that is still looked up, past any deadline."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
