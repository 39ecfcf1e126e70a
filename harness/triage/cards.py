"""Short cards for whoever is on duty: per finding what was seen, how to look closer, what to do, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.errors import InputError
from harness.triage.causes import CAUSES, counted, worst_of
from harness.triage.week import Week

__all__ = ["Card", "card_of", "cards_page"]


class Card(NamedTuple):
    """What to do about one cause: how to look closer, what to try, when to stop and call for help."""

    look: str
    do: str
    stop: str


_CARDS: Mapping[str, Card] = dict(zip(CAUSES, (
    Card("`signoff explain` on the query: which words and which vectors did it have?",
         "Look for words the document does not use; a hybrid's weights, the speller and the encoder decide here, "
         "no later stage can.",
         "More than 15 % of all queries: the index may not be of this corpus (`signoff diagnose`)."),
    Card("Which documents stood before the gold one, and how far down was it?",
         "Consider more `documents`, or a reranker; then `per_document`, where one document takes every place.",
         "A gold document that was first and not read: its passages are missing, freeze anew."),
    Card("Compare the cited passage with the gold one: same words, other entry?",
         "Try other `chunk_words`: a passage that holds two entries is cited for neither.",
         "Citations that are in no passage: the reader invents them; the faithfulness gate decides, not this card."),
    Card("Read answer and gold side by side: too long, too short, or of another entry?",
         "Few-shots show the length that is wanted; for a model, look at the prompt audit.",
         "Right answers that score low: propose a second gold answer, never a lower limit."),
    Card("Which stage took the time: vector, search, reranking, or the model's queue?",
         "Lower `documents` or the reranker's depth; for a model, its in-flight cap and rate.",
         "The p95 over its limit: `signoff rollback` is quicker than any tuning."),
    Card("`signoff explain`: which feature lifted the others over it?",
         "An `accept_share` holds the reranker back; refit it where its judgements are old.",
         "More losses than gains: `RERANKER=off` and `signoff compare`."),
    Card("How far down was it, and what stood before it?",
         "Weights of a hybrid and the reranker's depth decide who is seen at all.",
         "A whole module of queries: the corpus has changed, rebuild and freeze."),
    Card("Is the first hit wrong, or as good and not judged?",
         "Judge it; where it is as good, the judgements are at fault and not the ranking.",
         "Nothing is urgent here."),
), strict=True))


def card_of(cause: str) -> Card:
    """The card of a cause. Raises InputError for one there is not.

    >>> card_of("slow").stop
    'The p95 over its limit: `signoff rollback` is quicker than any tuning.'
    """
    if cause not in _CARDS:
        raise InputError("no card of this cause", where="triage", expected=", ".join(_CARDS), found=cause)
    return _CARDS[cause]


def cards_page(release: str, week: Week) -> str:
    """Markdown: a card a cause that was seen, the queries that show it, and the nudges with their intervals."""
    lines = [f"# {release}, {week.task}: what to look at this week", "",
             f"{len(week.cases):,} queries, worst by {week.measure}. Causes are likely, not proven.", ""]
    for cause, n in counted(week.cases).items():
        card = card_of(cause)
        names = [f"`{one.query_id}` ({one.value:.2f})" for one in worst_of(week.cases, cause)]
        lines += [f"## {cause}: {n:,} of {len(week.cases):,} queries ({n / len(week.cases):.1%})", "",
                  f"- Worst: {', '.join(names)}",
                  f"- Look: {card.look}", f"- Do: {card.do}", f"- Stop: {card.stop}", ""]
    return "\n".join([*lines, *_nudged(week)]) + "\n"


def _nudged(week: Week) -> list[str]:
    lines = ["## Small changes", "",
             f"Found on one half of {week.searched:,} queries to learn from, judged on the other; paired by query, "
             "corrected for how many were judged. None is applied: it goes into a manifest and through the gates.",
             ""]
    if not week.nudges:
        return [*lines, f"{week.why or 'Nothing that was tried helped on the half that was searched'}."]
    lines += ["| change | domain | effect | interval | n | |", "|---|---|---|---|---|---|"]
    for one in week.nudges:
        option, effect = one.option, one.effect
        verdict = "suggested" if one.suggested else "not shown to help"
        lines.append(f"| `{option.knob}` {option.before} → {option.after} | {one.domain} | {effect.value:+.4f} "
                     f"| [{effect.low:+.4f}, {effect.high:+.4f}] | {effect.n:,} | {verdict} |")
    return lines
