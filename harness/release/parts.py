"""The live parts of a release, as its manifest gives them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from harness.errors import nearest
from harness.release.reader_parts import ReaderPart
from harness.release.schema import Model
from harness.routing.signals import SIGNALS

__all__ = ["MADE", "USUAL", "Costs", "EncoderPart", "IndexPart", "Parts", "RerankerPart", "RetrieverPart", "RouterPart",
           "SequencePart", "SpellerPart"]

MADE = tuple(name for name in SIGNALS if name != "overlap")  # which would take a second retrieval
USUAL = ("entropy", "margin", "nl_confidence", "length", "lexical_lead")
Milliseconds = Annotated[float, Field(ge=0.0, le=60_000.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False, strict=True)]


class EncoderPart(Model):
    """Text to vectors: `lsa`, or `sentence-transformers/NAME` behind the extra `encoders`."""

    impl: str = "lsa"
    dims: int = Field(768, ge=2, le=4096, strict=True)


class IndexPart(Model):
    """Vectors to neighbours, through faiss."""

    impl: Literal["flat", "ivf_flat", "ivf_pq", "hnsw"] = "ivf_flat"
    nlist: int | None = Field(None, ge=1, strict=True)
    nprobe: Annotated[int, Field(ge=1, strict=True)] | Literal["tuned"] = "tuned"
    opq: bool = Field(False, strict=True)
    m: int = Field(32, ge=2, le=128, strict=True)
    ef: int = Field(128, ge=1, strict=True)


class SequencePart(Model):
    """The next document of a reading order, from the four before."""

    impl: Literal["amn_v0", "gru_v0", "last_vector", "decayed_mean", "popularity"] = "amn_v0"


class RerankerPart(Model):
    """Second stage over the first stage's top `depth`."""

    impl: Literal["mlp", "lambdamart"] = "mlp"
    depth: int = Field(50, ge=1, le=1000, strict=True)
    features: Literal["full", "vectors"] = "full"
    accept_share: float | None = Field(None, gt=0.0, le=1.0, strict=True)


class RetrieverPart(Model):
    """A whole first stage instead of encoder and index: `dense`, `bm25`, a hybrid, or the user's own system.

    `rrf` fuses ranks, `blend` scores; `weights` are those of words and of vectors.
    """

    impl: Literal["dense", "bm25", "rrf", "blend", "callable", "command", "http"] = "dense"
    target: str | None = None
    timeout_s: float = Field(30.0, gt=0, allow_inf_nan=False, strict=True)
    weights: tuple[Weight, Weight] = (1.0, 1.0)

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: tuple[float, float]) -> tuple[float, float]:
        if not sum(weights) > 0.0:
            raise ValueError("weights of words and of vectors are not both 0: nothing would be ranked")
        return weights

    @model_validator(mode="after")
    def _target_for_own(self) -> RetrieverPart:
        own = self.impl in {"callable", "command", "http"}
        if own != (self.target is not None):
            raise ValueError(f"retriever {self.impl} {'needs' if own else 'takes no'} target")
        return self


class SpellerPart(Model):
    """Mends words of a query that the corpus does not know; a word that fewer than `least` documents say mends none."""

    impl: Literal["vocabulary"] = "vocabulary"
    least: int = Field(2, ge=1, strict=True)


class Costs(Model):
    """What the spend rule reckons with, in milliseconds: signals + rerank + candidate × spend + word × words.

    Stated, not measured at build time: the same manifest gives the same router on every machine. That they are true
    where it is gated is a gate's business (`mean extra ms`), whose note tells the law that was measured there.
    """

    signals: Milliseconds
    rerank: Milliseconds
    candidate: Milliseconds = 0.0
    word: Milliseconds = 0.0


class RouterPart(Model):
    """How many candidates each query has reranked, decided from cheap signals within a budget of extra latency.

    `full` is the full stage's spend (the reranker's `depth` unless given), `cheap` the early exit's. `also` are spends
    that are measured and never decided. `share` is a window for the full reranks, of the queries that the router is
    fitted to or of `traffic`: the judged queries without their judgements. A live router needs `costs_ms`; a trace of
    one's own brings its times.
    """

    signals: tuple[str, ...] = USUAL
    cheap: int = Field(10, ge=1, le=1000, strict=True)
    full: int | None = Field(None, ge=2, le=1000, strict=True)
    also: tuple[Annotated[int, Field(ge=1, le=100, strict=True)], ...] = ()
    costs_ms: Costs | None = None
    budget_ms: float | None = Field(0.2, gt=0, allow_inf_nan=False)
    bind: Literal["mean", "p95"] = "mean"
    share: tuple[Share, Share] | None = None
    share_of: Literal["fit", "traffic"] = "fit"
    headroom: float = Field(0.2, ge=0, lt=1, allow_inf_nan=False)
    delta: float = Field(0.1, ge=0, le=1, allow_inf_nan=False)

    @field_validator("signals")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in MADE]
        if unknown or "entropy" not in names or len(set(names)) < len(names):
            near = nearest(unknown[0], MADE) if unknown else None
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"signals are distinct names of {', '.join(MADE)}, entropy among them{hint}")
        return names

    @model_validator(mode="after")
    def _a_share_to_hold(self) -> RouterPart:
        if self.share is not None and self.share[0] > self.share[1]:
            raise ValueError(f"share goes from the least to the greatest, and {list(self.share)} goes down")
        if self.share_of == "traffic" and self.share is None:
            raise ValueError("share_of: traffic needs a share, [least, greatest]")
        return self


class Parts(Model):
    """The live parts of a release."""

    retriever: RetrieverPart = RetrieverPart()
    speller: SpellerPart | None = None
    encoder: EncoderPart = EncoderPart()
    index: IndexPart = IndexPart()
    sequence: SequencePart | None = None
    reranker: RerankerPart | None = None
    router: RouterPart | None = None
    reader: ReaderPart | None = None

    @model_validator(mode="after")
    def _router_over_reranker(self) -> Parts:
        if self.router is not None and self.reranker is None:
            raise ValueError("a router decides what a reranker gets, and there is no reranker")
        if self.router is not None and self.reranker is not None:
            _, cheap, full = self.steps
            if not cheap < full <= self.reranker.depth:
                raise ValueError(f"router.cheap {cheap}, router.full {full} and the reranker's depth "
                                 f"{self.reranker.depth} do not ascend")
        if self.router is not None and self.router.costs_ms is None:
            raise ValueError("a live router needs costs_ms: signals, rerank, candidate, word (docs/routing.md)")
        return self

    @property
    def steps(self) -> tuple[int, int, int]:
        """What the rule decides between: nothing, the early exit's candidates, the full stage's."""
        assert self.router is not None and self.reranker is not None
        return 0, self.router.cheap, self.router.full or self.reranker.depth

    @property
    def ladder(self) -> tuple[int, ...]:
        """Spends that are measured, ascending from 0: the steps, and what is only looked at."""
        assert self.router is not None
        return tuple(sorted({*self.steps, *self.router.also}))
