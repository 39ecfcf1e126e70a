"""Channels of alerts: which severity goes where, after how long, and how a message gets there, or does not.

`ALERT_CHANNELS` holds one channel a word, by a URL that Apprise knows (Slack, PagerDuty, e-mail, …):

    critical=slack://TOKEN/#search  critical+15m=pagerduty://KEY@SERVICE  warning=mailto://USER:PASS@HOST  @oncall=URL

A channel hears its severity and every graver one, at once or when an alert has stayed open for so long. One with a name
hears what the charter's `escalation` sends to that name. Delivery is tried again with growing pauses, then given up and
told; nothing waits for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import sleep as _sleep
from typing import get_args

from harness.errors import InputError, nearest
from harness.release.charter import Escalation, seconds_of
from harness.rollout.shapes import Severity

__all__ = ["CHANNELS", "PAUSES_S", "SEVERITIES", "Channel", "Message", "Send", "called", "channels_of", "checked",
           "deliver", "names_of", "send_apprise"]

CHANNELS = "ALERT_CHANNELS"
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
PAUSES_S = (0.0, 1.0, 4.0, 16.0)  # before each try
_ENTRY = re.compile(r"(?:@(?P<name>[\w-]+)|(?P<severity>\w+)(?:\+(?P<after>\d+[smhd]))?)=(?P<url>[a-z][a-z0-9+.-]*://\S+)")
_WAIT = "cto=3&rto=3"  # seconds that Apprise waits for a connection and for an answer


@dataclass(frozen=True)
class Message:
    """What is told: a title, a text, how grave it is. Neither holds a query's text nor a user."""

    severity: Severity
    title: str
    body: str


@dataclass(frozen=True)
class Channel:
    """Where alerts go.

    Attributes:
        name: What it is called in reports: never its URL, which holds secrets.
        url: As Apprise reads it.
        severity: The least severity that it hears.
        after_s: Seconds for which an alert must have been open.
    """

    name: str
    url: str = field(repr=False)
    severity: Severity = "warning"
    after_s: int = 0

    def hears(self, severity: Severity, open_s: float) -> bool:
        """Whether an alert of a severity that has been open for so many seconds is told here.

        >>> Channel("pager", "json://localhost", "critical", 900).hears("emergency", 899.0)
        False
        """
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.severity) and open_s >= self.after_s


Send = Callable[[Channel, Message], bool]


def channels_of(environ: Mapping[str, str] = os.environ, *, escalation: Sequence[Escalation] = ()
                ) -> tuple[Channel, ...]:
    """The channels of `ALERT_CHANNELS`; none where it is not set.

    Args:
        environ: Where it is read.
        escalation: Of the charter: who is called for which severity, after how long.

    Raises: InputError for a word that is no channel (without showing its URL), or an escalation to a name that no
        channel has.

    >>> [(one.name, one.severity, one.after_s) for one in channels_of({CHANNELS: "critical+15m=json://localhost"})]
    [('json 1', 'critical', 900)]
    """
    found: list[Channel] = []
    for place, entry in enumerate(_entries(environ), start=1):
        if entry["name"] is None:
            severity = SEVERITIES[SEVERITIES.index(entry["severity"])]
            name = f"{entry['url'].partition(':')[0]} {place}"
            found.append(Channel(name, entry["url"], severity, seconds_of(entry["after"] or "0s")))
    return (*found, *called(escalation, names_of(environ)))


def names_of(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """URL by name, of those whom a charter may call. Raises InputError for a word that is no channel.

    >>> names_of({CHANNELS: "@oncall=json://localhost"})
    {'oncall': 'json://localhost'}
    """
    return {entry["name"]: entry["url"] for entry in _entries(environ) if entry["name"] is not None}


def called(escalation: Sequence[Escalation], names: Mapping[str, str]) -> tuple[Channel, ...]:
    """A channel for each level of a charter's escalation. Raises InputError for a name that `names` has not."""
    found: list[Channel] = []
    for level in escalation:
        if level.to not in names:
            raise InputError("nobody of that name is reached", where=CHANNELS, expected=f"@{level.to}=URL",
                             found=sorted(names), hint=nearest(level.to, names))
        found.append(Channel(level.to, names[level.to], level.severity, seconds_of(level.after)))
    return tuple(found)


def _entries(environ: Mapping[str, str]) -> list[re.Match[str]]:
    found = []
    for place, word in enumerate(environ.get(CHANNELS, "").split(), start=1):
        entry = _ENTRY.fullmatch(word)
        if entry is None or (entry["name"] is None and entry["severity"] not in SEVERITIES):
            raise InputError(f"word {place} is no channel", where=CHANNELS, found=word.partition("=")[0][:20],
                             expected="SEVERITY=URL, SEVERITY+DELAY=URL or @NAME=URL",
                             hint=nearest(word.partition("=")[0].partition("+")[0], SEVERITIES))
        found.append(entry)
    return found


def send_apprise(channel: Channel, message: Message) -> bool:
    """One try through Apprise; False where it did not get there, whatever the reason."""
    import apprise

    kinds = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}
    out = apprise.Apprise()
    if not out.add(channel.url + ("&" if "?" in channel.url else "?") + _WAIT):
        return False
    return bool(out.notify(title=message.title, body=message.body,
                           notify_type=kinds.get(message.severity, apprise.NotifyType.FAILURE)))


def checked(environ: Mapping[str, str] = os.environ) -> tuple[Channel, ...]:
    """Every channel of `ALERT_CHANNELS`, those with a name too, each by a URL that Apprise can read.

    Raises: InputError for a word that is no channel, or a URL that leads nowhere: by its place, never by its text.

    >>> checked({})
    ()
    """
    found = (*channels_of(environ), *(Channel(f"@{name}", url) for name, url in names_of(environ).items()))
    if not found:
        return ()
    try:
        import apprise
    except ImportError as error:
        raise InputError("alerts need a library that is not installed", where=CHANNELS, found=error.name,
                         expected="the extra 'serve' (pip install 'signoff[serve]')") from None
    for one in found:
        if not apprise.Apprise().add(one.url):
            raise InputError(f"channel {one.name} has a URL that cannot be read", where=CHANNELS,
                             expected="what Apprise knows, whole: json://HOST/PATH, slack://TOKEN/…")
    return found


def deliver(channel: Channel, message: Message, *, send: Send = send_apprise, pauses_s: Sequence[float] = PAUSES_S,
            sleep: Callable[[float], object] = _sleep) -> int:
    """Try to tell a channel, with a pause before each try; the try that got there, from 1, or 0 where none did.

    Whatever a channel raises counts as a try that failed: no channel can break what tells it.

    >>> deliver(Channel("dead", "json://localhost"), Message("info", "t", "b"), send=lambda *_: False, pauses_s=(0, 0))
    0
    """
    for turn, pause in enumerate(pauses_s, start=1):
        if pause:
            sleep(pause)
        try:
            if send(channel, message):
                return turn
        except Exception:
            continue
    return 0
