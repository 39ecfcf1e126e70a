"""The switches of a deterministic evaluation, as configs/deterministic_evaluation.env sets them.

| variable | must be | why |
|---|---|---|
| `EVAL_DISABLE_CACHE` | 1 | what was answered once is answered again, not looked up |
| `PROMPT_AUDIT` | 1 | the digest of each prompt is written beside its answer |
| `EVAL_SEED` | the manifest's seed, or unset | a seed of the environment would be another evaluation |
| `OPENAI_TEMPERATURE` | 0, or unset | what samples cannot be evaluated twice alike |
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import SignoffError
from harness.generation.client import checked_temperature
from harness.generation.reply_cache import cache_disabled

__all__ = ["DEFAULTS", "SWITCHES", "faults_of", "prompt_audit"]

DEFAULTS = {"EVAL_DISABLE_CACHE": "1", "PROMPT_AUDIT": "1"}
"""What a gate run sets where the environment says nothing."""
SWITCHES = {"EVAL_DISABLE_CACHE": "1", "PROMPT_AUDIT": "1", "EVAL_SEED": "the manifest's seed, or nothing",
            "OPENAI_TEMPERATURE": "0, or nothing"}


def faults_of(environ: Mapping[str, str], *, seed: int) -> dict[str, str]:
    """Variable → what is wrong with it; empty where an evaluation will be the same twice.

    >>> faults_of({**DEFAULTS, "EVAL_SEED": "42"}, seed=42)
    {}
    >>> faults_of({"PROMPT_AUDIT": "1", "OPENAI_TEMPERATURE": "0.7"}, seed=42)["EVAL_DISABLE_CACHE"]
    'is not 1: answers could come from a cache'
    """
    found = {}
    try:
        if not cache_disabled(environ):
            found["EVAL_DISABLE_CACHE"] = "is not 1: answers could come from a cache"
    except SignoffError as error:
        found["EVAL_DISABLE_CACHE"] = str(error)
    if not prompt_audit(environ):
        found["PROMPT_AUDIT"] = "is not 1: prompts would leave no trace"
    said = environ.get("EVAL_SEED", "").strip()
    if said not in {"", str(seed)}:
        found["EVAL_SEED"] = f"is {said[:20]!r}, and the manifest's seed is {seed}"
    try:
        checked_temperature(environ.get("OPENAI_TEMPERATURE", "").strip() or 0, where="environment")
    except SignoffError:
        found["OPENAI_TEMPERATURE"] = f"is {environ['OPENAI_TEMPERATURE'][:20]!r}, and samples differ"
    return found


def prompt_audit(environ: Mapping[str, str]) -> bool:
    """Whether PROMPT_AUDIT is 1: prompts leave their digests.

    >>> prompt_audit({"PROMPT_AUDIT": "1"}), prompt_audit({"PROMPT_AUDIT": "yes"}), prompt_audit({})
    (True, False, False)
    """
    return environ.get("PROMPT_AUDIT", "").strip() == "1"
