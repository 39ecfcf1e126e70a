"""What every model of a manifest shares: strict keys, names, digests, and the files of a user's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Model", "Name", "Sha256", "Source"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Model(BaseModel):
    """Unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Source(Model):
    """A file of the user's own, in exactly one of the known formats, with its digest once frozen."""

    trec: str | None = None
    beir: str | None = None
    parquet: str | None = None
    jsonl: str | None = None
    csv: str | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_format(self) -> Source:
        if len(self.spec) != 1:
            raise ValueError("a source names exactly one of trec, beir, parquet, jsonl, csv")
        return self

    @property
    def spec(self) -> dict[str, str]:
        """`{format: path}`, as the readers take it."""
        return {key: value for key in ("trec", "beir", "parquet", "jsonl", "csv") if (value := getattr(self, key))}

    @property
    def path(self) -> str:
        """The path as written in the manifest."""
        return next(iter(self.spec.values()))
