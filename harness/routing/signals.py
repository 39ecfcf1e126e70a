"""Signals that cost little beside a rerank once the first stage has answered: (n, k) arrays in, one value a query out.

What each column of `SIGNALS` is made of, over the first k = 20 hits:

| signal | made by |
|---|---|
| entropy, margin | `entropy` and `margin` of the first stage's scores |
| nl_confidence, length | best cosine (0 where there is no hit); words of the query between spaces |
| overlap | `overlap` of the lexical and the dense list at 10 |
| lexical_lead | `lead` of the hits' BM25 scores, over the best BM25 score of the corpus |
| body_lead, summary_lead, title_lead | `lead` of the share of the query's word weight met in that field |
| company | `company` of the hits' modules |

A second kind of evidence that prefers a later hit is what tells a gain beforehand: scores of one kind alone hardly do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats

__all__ = ["SIGNALS", "company", "entropy", "lead", "margin", "overlap", "spread"]

SIGNALS = ("entropy", "margin", "nl_confidence", "length", "overlap", "lexical_lead", "body_lead", "summary_lead",
           "title_lead", "company")


def entropy(scores: Any, *, temperature: float) -> Floats:
    """Entropy of softmax(scores / temperature) over the hits, as a share of its most, log k.

    Args:
        scores: (n, k) first-stage scores; -inf where a short list has no hit, which then carries no probability.
        temperature: > 0, in the unit of the scores: how large a difference counts.

    Returns:
        (n,) in [0, 1]: 1 where all k hits are alike; 0 where one is certain, or where there is at most one.

    Raises:
        InputError: A score that is NaN or +inf, a wrong shape, or a temperature that is not above 0.

    >>> entropy([[1.0, 1.0], [9.0, 0.0]], temperature=0.5).round(3).tolist()
    [1.0, 0.0]
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError("not a temperature", where="entropy", expected="a number above 0", found=temperature)
    score, held = _scores(scores, "entropy")
    top = np.where(held, score, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    weight = np.exp(np.where(held, score - np.where(np.isfinite(top), top, 0.0), -np.inf) / temperature)
    total = weight.sum(axis=1, keepdims=True)
    share = weight / np.where(total > 0, total, 1.0)
    bits = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
    return np.asarray(np.clip(bits / max(np.log(score.shape[1]), np.log(2)), 0.0, 1.0), dtype=np.float64)


def margin(scores: Any) -> Floats:
    """How far hit 1 stands above hit 2, in the unit of the scores; a lone hit stands by its own score, none by 0.

    Args:
        scores: (n, k) descending, -inf where there is no hit.

    Returns:
        (n,) float64.

    Raises:
        InputError: NaN, +inf, or a wrong shape.

    >>> margin([[0.9, 0.5], [0.7, float("-inf")]]).round(3).tolist()
    [0.4, 0.7]
    """
    return lead(scores)


def lead(values: Any) -> Floats:
    """Evidence of hit 1 less the best evidence among the others: negative where a later hit has more.

    The same shape over any evidence about hits (title words met, lexical score, cosine): where a second kind of
    evidence prefers a later hit, a rerank has something to do.

    Args:
        values: (n, k), higher is better, in rank order; -inf where there is no hit.

    Returns:
        (n,) float64; a lone hit leads by its own value, a query without hits by 0.

    Raises:
        InputError: NaN, +inf, or a wrong shape.

    >>> lead([[0.2, 0.9, 0.1]]).round(3).tolist()
    [-0.7]
    """
    value, held = _scores(values, "lead")
    filled = np.where(held, value, -np.inf)
    first, rest = filled[:, :1].max(axis=1, initial=-np.inf), filled[:, 1:].max(axis=1, initial=-np.inf)
    first = np.where(np.isfinite(first), first, 0.0)
    return np.asarray(first - np.where(np.isfinite(rest), rest, 0.0), dtype=np.float64)


def spread(values: Any) -> Floats:
    """Standard deviation of the evidence over the hits; 0 where there is at most one.

    Args:
        values: (n, k); -inf where there is no hit.

    Returns:
        (n,) float64, ≥ 0, unit of the values.

    Raises:
        InputError: NaN, +inf, or a wrong shape.

    >>> spread([[1.0, 3.0]]).tolist()
    [1.0]
    """
    value, held = _scores(values, "spread")
    count = np.maximum(held.sum(axis=1), 1)
    mean = np.where(held, value, 0.0).sum(axis=1) / count
    off = np.where(held, value - mean[:, None], 0.0)
    return np.asarray(np.sqrt((off * off).sum(axis=1) / count), dtype=np.float64)


def overlap(first: Any, second: Any, *, k: int = 10) -> Floats:
    """Share of the k first places at which two rankings hold common documents.

    Args:
        first: (n, ≥ 1) document codes, best first, -1 where there is none.
        second: (n, ≥ 1) of another retriever.
        k: Depth.

    Returns:
        (n,) in [0, 1]: common documents within k, over k; 0 where a list is empty.

    Raises:
        InputError: Shapes that do not go together, or k below 1.

    >>> overlap([[1, 2, 3]], [[3, 9, 1]], k=2).tolist()
    [0.0]
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.ndim != 2 or two.ndim != 2 or len(one) != len(two):
        raise InputError("rankings do not go together", where="overlap", expected="(n, k) codes and (n, k) codes",
                         found=[one.shape, two.shape])
    if k < 1:
        raise InputError("no depth", where="overlap", column="k", expected="at least 1", found=k)
    same = (one[:, :k, None] == two[:, None, :k]) & (one[:, :k, None] >= 0)
    return np.asarray(same.any(axis=2).sum(axis=1) / k, dtype=np.float64)


def company(labels: Any) -> Floats:
    """Share of the hits that carry the label of hit 1, such as its module; hit 1 counts too.

    Args:
        labels: (n, k) codes of labels in rank order, -1 where there is no hit.

    Returns:
        (n,) in [0, 1]; 0 for a query without hits.

    Raises:
        InputError: A wrong shape.

    >>> company([[4, 4, 7, -1]]).round(3).tolist()
    [0.667]
    """
    label = np.asarray(labels)
    if label.ndim != 2 or not label.shape[1]:
        raise InputError("wrong shape", where="company", expected="(n, k), k at least 1", found=label.shape)
    held = label >= 0
    same = (label == label[:, :1]) & held
    return np.asarray(same.sum(axis=1) / np.maximum(held.sum(axis=1), 1), dtype=np.float64)


def _scores(values: Any, where: str) -> tuple[Floats, NDArray[np.bool_]]:
    try:
        score = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("not numbers", where=where, expected="(n, k) numbers", found=str(error)) from None
    if score.ndim != 2 or not score.shape[1]:
        raise InputError("wrong shape", where=where, expected="(n, k), k at least 1", found=score.shape)
    wrong = np.isnan(score) | (score == np.inf)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise InputError("not a score", where=where, row=row + 1, column=str(column + 1),
                         expected="a finite number, or -inf for no hit", found=float(score[row, column]))
    return score, np.isfinite(score)
