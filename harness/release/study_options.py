"""What a manifest may say of its studies: measurements beyond one run of the judged queries, each with its own options.

A study runs where a row of the policy is of its family; without options it takes the ones that stand here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.release.parts import RouterPart
from harness.release.reader_parts import ReadiedStudy, RepeatedStudy
from harness.release.schema import Model, Source

__all__ = ["ANSWER_DELTAS", "AnsweredStudy", "CalibratedStudy", "ConfoundingStudy", "CoveredStudy", "GovernedStudy",
           "HarvestedStudy", "LogColumnsOption", "PairedStudy", "RoutedStudy", "StressedStudy",
           "Studies", "SurrogateStudy"]


class RoutedStudy(Model):
    """The spend rule of a recorded release: a trace with a row a query, and how a router is fitted to it.

    The router's full stage is the largest spend of the trace unless it gives one.
    """

    spends: Source | None = None
    router: RouterPart = RouterPart()

    @model_validator(mode="after")
    def _a_parquet_file(self) -> RoutedStudy:
        if self.spends is not None and self.spends.parquet is None:
            raise ValueError("a trace of spends is a Parquet file: {parquet: FILE}")
        return self


class PairedStudy(Model):
    """Latency beside the baseline: how many judged queries both serve in turns, and how often each."""

    requests: int = Field(2000, ge=59, le=1_000_000, strict=True)
    repeats: int = Field(5, ge=1, le=100, strict=True)


class CalibratedStudy(Model):
    """Calibration beside the baseline: hits of each query that count, and equal-mass bins of either side."""

    hits: int = Field(20, ge=1, le=100, strict=True)
    bins: int = Field(15, ge=1, le=1000, strict=True)


class CoveredStudy(Model):
    """Conformal coverage: the promise, and rows a group on either side, calibration and new.

    `queries` is how many judged queries are served, `alpha` the chance that any of the sound groups is refused.
    """

    coverage: float = Field(0.95, gt=0.5, lt=1.0, strict=True)
    alpha: float = Field(0.05, gt=0.0, lt=0.5, strict=True)
    rows: int = Field(1650, ge=19, le=1_000_000, strict=True)
    queries: int = Field(2000, ge=1, le=1_000_000, strict=True)


class HarvestedStudy(Model):
    """The latency harvest: settings of the graph that are tried, and how many requests are timed warm and cold."""

    efs: tuple[Annotated[int, Field(ge=1, le=10_000, strict=True)], ...] = Field((104, 108, 112), min_length=1)
    topks: tuple[Annotated[int, Field(ge=11, le=10_000, strict=True)], ...] = Field((80, 88, 96), min_length=1)
    warm: int = Field(400, ge=59, le=1_000_000, strict=True)
    warm_repeats: int = Field(5, ge=1, le=100, strict=True)
    cold: int = Field(60, ge=59, le=1_000_000, strict=True)
    cold_repeats: int = Field(1, ge=1, le=100, strict=True)


class LogColumnsOption(Model):
    """Which column of a user's log is what: `release.studied.decisions.LogColumns` says it of each."""

    reward: str = "reward"
    propensity: str | None = "propensity"
    target: str = "target"
    action: str = "action"
    strata: tuple[str, ...] = Field(("nl_confidence", "length", "language"), min_length=1)
    controls: tuple[str, ...] = Field(("control",), min_length=1)
    unit: str | None = None
    slices: tuple[str, ...] = ()
    reference: str | None = None
    context: tuple[str, ...] = ()
    prefix: str | None = Field(None, min_length=1)
    language: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """Columns that a decision is told in, each once: earned, chances, action, strata, controls, unit, slices."""
        told = (self.reward, self.propensity, self.target, self.action, *self.strata, *self.controls, self.unit,
                *self.slices)
        return tuple(dict.fromkeys(name for name in told if name is not None))


class ConfoundingStudy(Model):
    """The log of decisions: the user's own, or one drawn over the measured queries.

    A drawn one asks each query `draws` times; `strength` says how much its policy heeds the context (0: not at all).
    Strata of fewer than `least` decisions join their neighbours. `truth` is what the target policy earned itself, where
    it has served too: a table with the log's columns of reward, unit and slices.
    """

    log: Source | None = None
    truth: Source | None = None
    columns: LogColumnsOption = LogColumnsOption()
    draws: int = Field(4, ge=1, le=1000, strict=True)
    strength: float = Field(1.0, ge=0.0, le=5.0, allow_inf_nan=False)
    least: int = Field(50, ge=1, strict=True)


class SurrogateStudy(Model):
    """The latency surrogate: the user's own trace, or requests served under load.

    Per state of the cache `train` requests fit it, `rows` calibrate it and as many are new; `own` of the warm ones are
    at the release's own settings, one in flight, served `repeats` times for their percentile. The others have `loads`
    in flight, ask for one of `topks`, walk the graph at its own ef or `efs` times it, on the whole index or a share of
    `sizes`. `predictions` are timed, `repeats` times too.
    """

    trace: Source | None = None
    coverage: float = Field(0.95, gt=0.5, lt=1.0, strict=True)
    alpha: float = Field(0.05, gt=0.0, lt=0.5, strict=True)
    rows: int = Field(1650, ge=19, le=1_000_000, strict=True)
    train: int = Field(1200, ge=20, le=1_000_000, strict=True)
    own: int = Field(600, ge=59, le=1_000_000, strict=True)
    repeats: int = Field(5, ge=1, le=100, strict=True)
    predictions: int = Field(400, ge=59, le=1_000_000, strict=True)
    loads: tuple[Annotated[int, Field(ge=1, le=64, strict=True)], ...] = Field((1, 2, 4), min_length=1)
    topks: tuple[Annotated[int, Field(ge=11, le=100, strict=True)], ...] = Field((60, 100), min_length=1)
    efs: tuple[Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)], ...] = (2.0,)
    sizes: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.5,)

    @model_validator(mode="after")
    def _a_parquet_file(self) -> SurrogateStudy:
        if self.trace is not None and self.trace.parquet is None:
            raise ValueError("a trace of requests is a Parquet file: {parquet: FILE}")
        return self

    @property
    def needed(self) -> int:
        """Requests of a state that fill all three folds."""
        return self.train + 2 * self.rows


class StressedStudy(Model):
    """Stress: which kinds a live release is put under; of a recorded one, the table of what perturbed queries found."""

    kinds: tuple[Literal["paraphrase", "synonym", "typo", "long", "language"], ...] = Field(
        ("paraphrase", "synonym", "typo", "long", "language"), min_length=1)
    table: Source | None = None

    @model_validator(mode="after")
    def _a_table(self) -> StressedStudy:
        if self.table is not None and self.table.spec.keys() <= {"trec", "beir"}:
            raise ValueError("what perturbed queries found is a table: parquet, csv or jsonl")
        return self


ANSWER_DELTAS = ("delta answer precision", "delta answer recall", "delta answer F1", "delta faithfulness",
                 "delta oracle_retrieval_hit_prefilter", "delta reader_used_gold")
"""Comparisons of answers: recorded, their baseline is a table of its own."""


class AnsweredStudy(Model):
    """Answers: of a live release how many judged questions are asked; of a recorded one, the tables of its answers.

    Attributes:
        questions: Judged questions that are asked, in a drawn order; all of them where None.
        repeats: How often each is asked where no model is called; the fastest time counts.
        table: The candidate's answers, a row a question (docs/answers.md).
        baseline: The baseline's, on the same questions.
        written_by: Whose files these are: tables of one's own, or another evaluator's results (under `jsonl` where
            they are JSON).
        scores: `tokens` are counted here; `file` takes another evaluator's own precision, recall, F1, faithfulness.
    """

    questions: int | None = Field(None, ge=59, strict=True)
    repeats: int = Field(5, ge=1, le=100, strict=True)
    table: Source | None = None
    baseline: Source | None = None
    written_by: Literal["table", "ragchecker", "ragas", "deepeval"] = "table"
    scores: Literal["tokens", "file"] = "tokens"

    @model_validator(mode="after")
    def _tables(self) -> AnsweredStudy:
        for source in (self.table, self.baseline):
            if source is not None and source.spec.keys() <= {"trec", "beir"}:
                raise ValueError("answers are a table: parquet, csv or jsonl")
        if self.baseline is not None and self.table is None:
            raise ValueError("a baseline's answers go beside a table of the candidate's")
        return self


class GovernedStudy(Model):
    """Tool governance: a trace of one's own; of a live release without one, what the nightly suites do.

    Attributes:
        trace: Messages with tool calls (docs/nightly.md).
        tools: JSON lines, a tool each as a request names it; without them, the trace's first line says them.
        questions: Judged queries that the suites ask of a live release.
    """

    trace: Source | None = None
    tools: Source | None = None
    questions: int = Field(40, ge=1, le=10_000, strict=True)

    @model_validator(mode="after")
    def _lines(self) -> GovernedStudy:
        for source in (self.trace, self.tools):
            if source is not None and source.jsonl is None:
                raise ValueError("a trace and its tools are JSON lines: {jsonl: FILE}")
        if self.tools is not None and self.trace is None:
            raise ValueError("tools go with a trace: the suites know their own")
        return self


class Studies(Model):
    """Options by study."""

    routed: RoutedStudy = RoutedStudy()
    confounding: ConfoundingStudy = ConfoundingStudy()
    paired: PairedStudy = PairedStudy()
    covered: CoveredStudy = CoveredStudy()
    calibrated: CalibratedStudy = CalibratedStudy()
    harvested: HarvestedStudy = HarvestedStudy()
    surrogate: SurrogateStudy = SurrogateStudy()
    stressed: StressedStudy = StressedStudy()
    answered: AnsweredStudy = AnsweredStudy()
    governed: GovernedStudy = GovernedStudy()
    readied: ReadiedStudy = ReadiedStudy()
    repeated: RepeatedStudy = RepeatedStudy()
