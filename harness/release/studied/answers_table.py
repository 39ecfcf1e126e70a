"""A table of answers, a row a question: what a user's own system answered, what ours did, and what both are held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from harness.errors import InputError
from harness.metrics.answers import faithfulness, normal_tokens, overlaps
from harness.records import Floats, Ids
from harness.release.schema import Model
from harness.release.studied.answers_rows import COUNTS, TIMES, AnswersObserved
from harness.release.yaml_errors import first_error

__all__ = ["AnsweredRow", "record_of", "rows_of"]


def _listed(value: object) -> object:
    """A text stands for the list that holds it alone; whole numbers for their digits, as everywhere with ids."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [str(one) if type(one) is int else one for one in value]
    return value


_Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
_Name = Annotated[str, Field(min_length=1)]
_Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
_Ms = Annotated[float, Field(ge=0.0, le=1e12, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]


class AnsweredRow(Model):
    """One question as it was answered. What is None was not recorded: what needs it is not measured.

    Attributes:
        query_id: The question's id.
        answer: What was answered; "" where nothing was.
        gold_answers: Answers that would be right, one or more; the nearest counts.
        question: What was asked.
        passages: Texts that the reader was shown, in order.
        passage_ids: Their ids; their places from 1 where none are given.
        passage_docs: Ids of their documents.
        cited: Ids of the passages that the answer cites; all that were shown where the column is missing.
        gold_docs: Documents that hold the answer.
        pool: Documents that the first stage found, before any filter and reranker.
        total_ms: From question to answer, in milliseconds.
        embedding_ms: Of that, the question's vector.
        calls: Calls of a model, repeated ones among them.
        retries: Of these, the repeated ones.
        timed_out: True where no answer came in time, or another reader gave it in the place of the release's own.
        cluster: What the question resembles others by; itself where none is given.
        slices: Names of the slices that it is in.
        precision: Measured elsewhere, in the place of token precision.
        recall: Likewise.
        f1: Likewise.
        faithfulness: Likewise, in the place of the share of tokens that cited passages say.
    """

    query_id: _Name
    answer: str
    gold_answers: _Texts
    question: str = ""
    passages: _Texts | None = None
    passage_ids: _Texts | None = None
    passage_docs: _Texts | None = None
    cited: _Texts | None = None
    gold_docs: _Texts | None = None
    pool: _Texts | None = None
    total_ms: _Ms | None = None
    embedding_ms: _Ms | None = None
    calls: _Count | None = None
    retries: _Count | None = None
    timed_out: bool | None = None
    cluster: str | None = None
    slices: _Texts = ()
    precision: _Share | None = None
    recall: _Share | None = None
    f1: _Share | None = None
    faithfulness: _Share | None = None

    @model_validator(mode="after")
    def _passages_agree(self) -> AnsweredRow:
        named = [held for held in (self.passages, self.passage_ids, self.passage_docs) if held is not None]
        shown = len(named[0]) if named else 0
        for name in ("passage_ids", "passage_docs"):
            held = getattr(self, name)
            if held is not None and len(held) != shown:
                raise ValueError(f"{name} holds {len(held)} of {shown} passages")
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("a passage id stands twice")
        unknown = [one for one in self.cited or () if one not in self.ids]
        if unknown:
            raise ValueError(f"cites {unknown[0]!r}, which was not shown")
        if (self.retries or 0) > (self.calls if self.calls is not None else self.retries or 0):
            raise ValueError("more retries than calls")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the passages shown."""
        if self.passage_ids is not None:
            return self.passage_ids
        return tuple(str(place) for place in range(1, len(self.passages or self.passage_docs or ()) + 1))

    def cited_of(self, held: Sequence[str] | None) -> list[str] | None:
        """Of one value a passage, those of the cited passages; None where there are no values."""
        if held is None:
            return None
        chosen = set(self.ids if self.cited is None else self.cited)
        return [one for name, one in zip(self.ids, held, strict=True) if name in chosen]

    @property
    def used_gold(self) -> float:
        """1 where a cited passage is of a gold document, else 0; NaN where documents or gold ones are not known.

        Who says nothing has used nothing: an answer without a token is 0, whatever it cites.
        """
        cited = self.cited_of(self.passage_docs)
        if cited is None or self.gold_docs is None:
            return np.nan
        return float(bool(normal_tokens(self.answer)) and bool(set(cited) & set(self.gold_docs)))

    @property
    def hit(self) -> float:
        """1 where the pool holds a gold document, else 0; NaN where either is not known."""
        if self.pool is None or self.gold_docs is None:
            return np.nan
        return float(bool(set(self.pool) & set(self.gold_docs)))


def rows_of(records: Sequence[Mapping[str, Any]], *, where: object = "answers") -> list[AnsweredRow]:
    """Rows as they stand in a table, checked. A value of None, NaN or nothing is one that was not recorded.

    Raises:
        InputError: No rows, a question that stands twice, an unknown or missing column, a value that cannot be: by row
            and column, with the nearest.

    >>> rows_of([{"query_id": "q", "answer": "rows", "gold_answers": "number of rows"}])[0].gold_answers
    ('number of rows',)
    """
    if not len(records):
        raise InputError("no rows", where=where, expected="a row a question")
    rows = [_row(record, where, at) for at, record in enumerate(records, start=1)]
    first: dict[str, int] = {}
    for at, row in enumerate(rows, start=1):
        if first.setdefault(row.query_id, at) != at:
            raise InputError("a question stands twice", where=where, row=at, column="query_id", expected="each once",
                             found=f"{row.query_id} as in row {first[row.query_id]}")
    return rows


def record_of(rows: Sequence[AnsweredRow]) -> AnswersObserved:
    """What measures read, of checked rows. Precision, recall, F1 and faithfulness are counted here, unless rows have
    them: what was measured elsewhere is taken as it is, and a row without it is then a gap, since tokens in the place
    of a judge's share would be another measure.

    Raises:
        InputError: As `overlaps`: a gold answer without a word.

    >>> record_of(rows_of([{"query_id": "q", "answer": "rows", "gold_answers": ["number of rows"]}])).recall.tolist()
    [0.3333333333333333]
    """
    found = overlaps([row.answer for row in rows], [row.gold_answers for row in rows])
    texts = [row.cited_of(row.passages) for row in rows]
    faithful = faithfulness([row.answer for row in rows], [text or () for text in texts])
    counted: dict[str, Any] = {"precision": found.precision, "recall": found.recall, "f1": found.f1,
                               "faithfulness": np.where([text is None for text in texts], np.nan, faithful)}
    shares: dict[str, Any] = {name: values if np.isnan(given := _column(rows, name)).all() else given
                              for name, values in counted.items()}
    taken: dict[str, Any] = {name: _column(rows, name) for name in (*TIMES, *COUNTS)}
    names = dict.fromkeys(name for row in rows for name in row.slices)
    return AnswersObserved(
        _ids([row.query_id for row in rows]), _ids([row.cluster or row.query_id for row in rows]), **shares,
        hit=np.array([row.hit for row in rows]), used_gold=np.array([row.used_gold for row in rows]),
        **taken,
        slices={name: np.array([name in row.slices for row in rows]) for name in names})


def _row(record: Mapping[str, Any], where: object, at: int) -> AnsweredRow:
    given = {str(name): plain for name, value in record.items() if (plain := _plain(value)) is not None}
    try:
        return AnsweredRow.model_validate(given)
    except ValidationError as error:
        told = first_error(error, AnsweredRow, where=where, node=None)
        raise InputError(told.what, where=where, row=at, column=told.column, expected=told.expected,
                         found=told.found, hint=told.hint) from None


def _plain(value: Any) -> Any:
    """A cell as Python's own value; None for what is not there."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return None if isinstance(value, float) and np.isnan(value) else value


def _column(rows: Sequence[AnsweredRow], name: str) -> Floats:
    values = [getattr(row, name) for row in rows]
    return np.array([np.nan if value is None else float(value) for value in values])


def _ids(names: Sequence[str]) -> Ids:
    return np.array(names, dtype=object)
