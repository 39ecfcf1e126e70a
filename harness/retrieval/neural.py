"""Encoders by name: `lsa`, or any sentence-transformers model where the extra `encoders` is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.errors import InputError, UsageError, nearest
from harness.retrieval.files import read_part, write_part
from harness.retrieval.lsa import LsaEncoder
from harness.retrieval.protocols import Encoder, Vectors
from harness.retrieval.texts import checked_texts

__all__ = ["SENTENCE_PREFIX", "SentenceEncoder", "make_encoder"]

SENTENCE_PREFIX = "sentence-transformers/"
_KIND = "sentence encoder"


@dataclass
class SentenceEncoder:
    """A pretrained model by its name; nothing is fitted, and the weights are pinned by their digest.

    Attributes:
        name: `sentence-transformers/NAME`, or a folder with such a model.
        revision: The model's revision; None takes the one at hand.
        query_prompt, document_prompt: Put before each text, as some models ask for.
        batch: Texts encoded together.
    """

    name: str
    revision: str | None = None
    query_prompt: str = ""
    document_prompt: str = ""
    batch: int = 32
    _model: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, impl: str) -> Self:
        """The encoder of a manifest's name. Raises InputError where it is no sentence-transformers name."""
        if not impl.removeprefix(SENTENCE_PREFIX) or not impl.startswith(SENTENCE_PREFIX):
            raise InputError("not a pretrained encoder", expected=f"{SENTENCE_PREFIX}NAME", found=impl)
        return cls(impl)

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        return int(self._loaded().get_sentence_embedding_dimension())

    @property
    def digest(self) -> str:
        """sha256 (hex) over the names and bytes of the weights."""
        found = hashlib.sha256()
        for name, weight in sorted(self._loaded().state_dict().items()):
            found.update(name.encode() + b"\0" + np.ascontiguousarray(weight.cpu().numpy()).tobytes())
        return found.hexdigest()

    def fit(self, texts: Sequence[str]) -> Self:
        """Load the model; the texts only have to be texts."""
        checked_texts(texts, where="SentenceEncoder.fit")
        self._loaded()
        return self

    def documents(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1."""
        return self._encoded(texts, self.document_prompt)

    def queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1."""
        return self._encoded(texts, self.query_prompt)

    def save(self, folder: Path) -> None:
        """Write the model's name, revision and digest; the weights stay where sentence-transformers keeps them."""
        write_part(folder, _KIND, meta=self._options() | {"digest": self.digest}, arrays={})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the model that `save` named. Raises InputError where its weights are not the ones saved."""
        meta, _ = read_part(folder, _KIND)
        pinned = meta.pop("digest")
        encoder = cls(**meta)
        if (found := encoder.digest) != pinned:
            raise InputError("weights differ from the saved ones", where=encoder.name, expected=pinned[:12],
                             found=found[:12])
        return encoder

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def _encoded(self, texts: Sequence[str], prompt: str) -> Vectors:
        sent = [prompt + text for text in checked_texts(texts, where="SentenceEncoder")]
        if not sent:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors = self._loaded().encode(sent, batch_size=self.batch, convert_to_numpy=True, normalize_embeddings=True,
                                        show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = _sentence_model(self.name, self.revision)
        return self._model


def make_encoder(impl: str, **options: Any) -> Encoder:
    """The encoder a manifest names.

    >>> make_encoder("lsa", dimension=256).dimension
    256
    """
    if impl.startswith(SENTENCE_PREFIX):
        kind: type[SentenceEncoder] | type[LsaEncoder] = SentenceEncoder
        options = {"name": impl} | options
    elif impl == "lsa":
        kind = LsaEncoder
    else:
        raise InputError("no such encoder", found=impl, expected=f"lsa or {SENTENCE_PREFIX}NAME",
                         hint=nearest(impl, ["lsa", f"{SENTENCE_PREFIX}gtr-t5-base"]))
    try:
        return kind(**options)
    except TypeError as error:
        raise UsageError(f"encoder {impl}: {error}") from None


def _sentence_model(name: str, revision: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise InputError("needs sentence-transformers", where=f"encoder {name}",
                         expected='the extra "encoders": pip install "signoff[encoders]"') from None
    try:
        return SentenceTransformer(name, revision=revision, device="cpu")
    except (OSError, ValueError) as error:  # unknown name, no weights at hand, no network
        raise InputError("model cannot be loaded", where=f"encoder {name}", found=str(error)) from None
