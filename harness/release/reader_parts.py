"""What reads what was retrieved: the reader of a release, its passages, its few-shots, and the limits of its calls."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from harness.generation.limits import Limits
from harness.release.schema import Model, Source

__all__ = ["ReaderPart", "ReadiedStudy", "RepeatedStudy"]


class ReaderPart(Model):
    """The reader: `extractive` runs anywhere, `http` asks an OpenAI-compatible endpoint at temperature 0.

    Attributes:
        pool: First hits before any filter or rerank, among which the gold document is looked for.
        documents: Documents whose passages are considered, the best first.
        passages: Passages that are shown to the reader.
        per_document: Passages of one document, at most.
        chunk_words: Words of a passage, at most.
        near_duplicates: Jaccard similarity of word shingles from which a passage is one that is there already; fixed
            here before anything is measured.
        budget: Tokens of a prompt, at most: question, passages and examples.
        shots: Few-shot examples of each prompt; `rotation` says whose turn in the pool it is.
        cot: Whether the prompt asks for reasoning first.
        model: Name of the model behind `url`. Both stand for `http` alone.
        temperature: 0 and nothing else: what samples cannot be evaluated twice alike.
        limits: How a model over HTTP may be asked.
    """

    impl: Literal["extractive", "http"] = "extractive"
    pool: int = Field(50, ge=1, le=100, strict=True)
    documents: int = Field(30, ge=1, le=100, strict=True)
    passages: int = Field(5, ge=1, le=100, strict=True)
    per_document: int = Field(1, ge=1, le=100, strict=True)
    chunk_words: int = Field(80, ge=8, le=2000, strict=True)
    near_duplicates: float = Field(0.8, gt=0.0, le=1.0, allow_inf_nan=False)
    budget: int = Field(1500, ge=64, le=1_000_000, strict=True)
    shots: int = Field(0, ge=0, le=32, strict=True)
    rotation: int = Field(0, ge=0, strict=True)
    cot: bool = Field(False, strict=True)
    model: str | None = None
    url: str | None = None
    temperature: Literal[0] = 0
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _a_model_over_http(self) -> ReaderPart:
        if self.impl == "http" and self.model is None:
            raise ValueError("reader http needs model: the name that the endpoint knows it by")
        if self.impl == "extractive" and (self.model is not None or self.url is not None):
            raise ValueError("reader extractive takes no model or url: they stand for http")
        return self


class ReadiedStudy(Model):
    """What a reader of one's own is given: its passages, its few-shots, what is judged, and who was shown what.

    Attributes:
        passages: A row a passage (docs/passages.md), those that were taken out among them.
        baseline: The same of the release before.
        shots: The pool: `id`, `question`, `answer`.
        items: What is judged: `query_id`, `question`, `answer`.
        shown: Shots of each judged question in several runs: `query_id`, `run`, `shots`.
        chunk_words: Words of a passage, at most.
        budget: Tokens of a prompt, at most.
    """

    passages: Source | None = None
    baseline: Source | None = None
    shots: Source | None = None
    items: Source | None = None
    shown: Source | None = None
    chunk_words: int = Field(80, ge=1, strict=True)
    budget: int = Field(1500, ge=1, strict=True)

    @model_validator(mode="after")
    def _readable(self) -> ReadiedStudy:
        if any(source.spec.keys() <= {"trec", "beir"} for source in self.tables):
            raise ValueError("passages and few-shots are tables: parquet, csv or jsonl")
        return self

    @property
    def tables(self) -> tuple[Source, ...]:
        """The files that are read."""
        named = (self.passages, self.baseline, self.shots, self.items, self.shown)
        return tuple(source for source in named if source is not None)


class RepeatedStudy(Model):
    """The evaluation made twice: questions that both processes are asked (None: all), and those of spoilt readers."""

    questions: int | None = Field(None, ge=1, strict=True)
    spoilt: int = Field(40, ge=1, le=1000, strict=True)
