"""What the environment may change about a release: RERANKER its second stage, RETRIEVER_IMPL its sequence part.

A changed release is another release: it gets a name of its own, so that it overwrites no frozen artifact, and another
CONFIG_HASH, so that its evidence can never be signed under the manifest it came from. Where the environment asks for
what the manifest says already, nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.errors import InputError, nearest
from harness.release.manifest import Loaded
from harness.release.parts import Parts, SequencePart

__all__ = ["overridden"]

_IMPL = "RETRIEVER_IMPL"


def overridden(loaded: Loaded, environ: Mapping[str, str]) -> Loaded:
    """The release that `environ` asks for: `loaded` itself where nothing differs. Recorded releases never differ.

    Raises UsageError or InputError for a value that is not known, whether or not the release has such a part.
    """
    parts = loaded.manifest.parts
    if parts is None:
        return loaded
    changed, suffix = _switched(parts, environ)
    if not suffix:
        return loaded
    name = f"{loaded.manifest.release}{suffix}"
    return replace(loaded, manifest=loaded.manifest.model_copy(update={"release": name, "parts": changed}))


def _switched(parts: Parts, environ: Mapping[str, str]) -> tuple[Parts, str]:
    from harness.reranking.factory import reranker_enabled

    suffix = ""
    if not reranker_enabled(environ) and parts.reranker is not None:
        parts, suffix = parts.model_copy(update={"reranker": None}), ".reranker-off"
    impl = _sequence(environ)
    if impl is not None and parts.sequence is not None and parts.sequence.impl != impl:
        parts = parts.model_copy(update={"sequence": SequencePart.model_validate({"impl": impl})})
        suffix += f".{impl}"
    return parts, suffix


def _sequence(environ: Mapping[str, str]) -> str | None:
    from harness.retrieval.sequence import SEQUENCE_MODELS

    impl = environ.get(_IMPL, "").strip() or None
    if impl is not None and impl not in SEQUENCE_MODELS:
        raise InputError("no such sequence retriever", where=_IMPL, expected=", ".join(SEQUENCE_MODELS), found=impl,
                         hint=nearest(impl, SEQUENCE_MODELS))
    return impl
