"""Encoders by name; a pretrained model is asked for as its library wants, and its absence is told with the cure."""

from __future__ import annotations

import importlib.util
import sys
import types

import numpy as np
import pytest

from harness.errors import InputError, UsageError
from harness.retrieval.lsa import LsaEncoder
from harness.retrieval.neural import SentenceEncoder, make_encoder
from harness.retrieval.protocols import Encoder


class Weight:
    """As much of a tensor as a digest reads."""

    def __init__(self, values):
        self.values = np.asarray(values, dtype=np.float32)

    def cpu(self):
        return self

    def numpy(self):
        return self.values


class Double:
    """A double of the library's model class that records how it is called; the library itself is an optional extra."""

    weights = (1.0, 2.0)

    def __init__(self, name, *, revision, device):
        if name.endswith("nowhere"):
            raise OSError(f"{name} is not a local folder\nand is not a valid model identifier")
        self.asked, self.revision, self.device = [], revision, device

    def get_sentence_embedding_dimension(self):
        return 2

    def state_dict(self):
        return {"layer": Weight(self.weights)}

    def encode(self, texts, *, normalize_embeddings, **options):
        assert normalize_embeddings
        self.asked += texts
        return np.tile([0.6, 0.8], (len(texts), 1))


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Double
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="the extra is installed")
def test_the_missing_extra_is_named():
    """Without the library the error names the extra that brings it."""
    with pytest.raises(InputError, match=r"gtr-t5-base.*signoff\[encoders\]"):
        make_encoder("sentence-transformers/gtr-t5-base").fit(["a"])


def test_a_pretrained_model_keeps_the_protocol(library):
    """Prompts go before the texts, vectors are float32 of the model's width, no texts give no rows."""
    encoder = make_encoder("sentence-transformers/gtr-t5-base", query_prompt="query: ").fit(["x"])
    assert isinstance(encoder, Encoder)
    assert encoder.dimension == 2
    assert encoder.queries(["a"]).dtype == encoder.documents(["b", "c"]).dtype == np.float32
    assert encoder._model.asked == ["query: a", "b", "c"]
    assert encoder._model.device == "cpu"
    assert encoder.queries([]).shape == (0, 2)


def test_weights_are_pinned(library, tmp_path, monkeypatch):
    """A saved encoder loads again, and refuses the same name with other weights."""
    SentenceEncoder("sentence-transformers/m", revision="abc").save(tmp_path)
    assert SentenceEncoder.load(tmp_path).revision == "abc"
    monkeypatch.setattr(Double, "weights", (1.0, 2.5))
    with pytest.raises(InputError, match="weights differ"):
        SentenceEncoder.load(tmp_path)


def test_wrong_names_are_one_line(library):
    """An unknown encoder, an unknown model and an unknown option are told apart."""
    with pytest.raises(InputError, match="nearest: lsa"):
        make_encoder("lsaa")
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        make_encoder("sentence-transformers/nowhere").fit(["a"])
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="dimensions"):
        make_encoder("lsa", dimensions=3)
    assert isinstance(make_encoder("lsa"), LsaEncoder)
    assert SentenceEncoder.of("sentence-transformers/m").name == "sentence-transformers/m"
    for wrong in ("lsa", "sentence-transformers/"):
        with pytest.raises(InputError, match="not a pretrained encoder"):
            SentenceEncoder.of(wrong)
