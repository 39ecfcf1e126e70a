"""Live switches: the kill switch, a cap on the canary, and the same as flags of OpenFeature.

They can only take traffic from a candidate, never give it more: a rise is the ramp's, with its trail. Whatever cannot
be read, is not known, or breaks means the stable release.

| variable | what it does |
|---|---|
| `SIGNOFF_KILL` | anything but empty, 0, false, no, off: the stable release answers everything |
| `CANARY_PERCENT` | the candidate gets this share at most; what is no share in [0, 100] is 0 |
| `RERANKER`, `RETRIEVER_IMPL` | the second stage, the sequence part: of a trial, never of what is signed |
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from harness.rollout.assigning import assigned, experiment_key
from harness.rollout.shapes import Assignment, Pointer

__all__ = ["ARM", "CANARY_PERCENT", "KILL", "RERANKER", "RETRIEVER_IMPL", "Flags", "killed", "most_percent",
           "serving_percent"]

KILL, CANARY_PERCENT, RERANKER, RETRIEVER_IMPL = "SIGNOFF_KILL", "CANARY_PERCENT", "RERANKER", "RETRIEVER_IMPL"
ARM = "ARM"
_OFF = {"", "0", "false", "no", "off"}


def killed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the kill switch is set.

    >>> killed({}), killed({"SIGNOFF_KILL": "0"}), killed({"SIGNOFF_KILL": "1"}), killed({"SIGNOFF_KILL": "ja"})
    (False, False, True, True)
    """
    return environ.get(KILL, "").strip().lower() not in _OFF


def most_percent(environ: Mapping[str, str] = os.environ) -> float:
    """The share of traffic that a candidate gets at most, by the environment.

    >>> most_percent({}), most_percent({"CANARY_PERCENT": "10"}), most_percent({"CANARY_PERCENT": "ten"})
    (100.0, 10.0, 0.0)
    """
    if killed(environ):
        return 0.0
    said = environ.get(CANARY_PERCENT, "").strip()
    try:
        share = float(said) if said else 100.0
    except ValueError:
        return 0.0
    return share if math.isfinite(share) and 0.0 <= share <= 100.0 else 0.0


def serving_percent(pointer: Pointer | None, environ: Mapping[str, str] = os.environ) -> float:
    """The candidate's share as it is served: the pointer's, or less where the environment says so."""
    return 0.0 if pointer is None or pointer.candidate is None else min(pointer.percent, most_percent(environ))


class Flags(AbstractProvider):
    """The switches as a provider of OpenFeature.

    `ARM` (string) and `candidate` (boolean) tell who a targeting key is served by; `CANARY_PERCENT` (float or integer,
    rounded down), `RERANKER` (boolean) and `RETRIEVER_IMPL` (string) what they say. Without a targeting key, with a
    pointer that cannot be read, or killed, the arm is the stable one: not the caller's default.

    >>> from openfeature.evaluation_context import EvaluationContext
    >>> Flags(lambda: None, environ={}).resolve_string_details("ARM", "candidate", EvaluationContext("u")).value
    'stable'
    """

    def __init__(self, pointer: Callable[[], Pointer | None], *, environ: Mapping[str, str] = os.environ,
                 secret: bytes = b"") -> None:
        """Ask `pointer` for what serves at each evaluation; `secret` is the assignment's."""
        super().__init__()
        self._pointer, self._environ, self._secret = pointer, environ, secret

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="signoff")

    def resolve_boolean_details(self, flag_key: str, default_value: bool,
                                evaluation_context: EvaluationContext | None = None) -> FlagResolutionDetails[bool]:
        """`candidate`: whether a unit gets it. `RERANKER`: whether the second stage is on."""
        if flag_key == "candidate":
            arm, reason, told = self._arm(evaluation_context)
            return FlagResolutionDetails(arm == "candidate", reason=reason, variant=arm, flag_metadata=told)
        if flag_key == RERANKER:
            said = self._environ.get(RERANKER, "on").strip().lower()
            return FlagResolutionDetails(said == "on", reason=Reason.STATIC, variant=said)
        return _unknown(flag_key, default_value, (ARM, CANARY_PERCENT, RETRIEVER_IMPL))

    def resolve_string_details(self, flag_key: str, default_value: str,
                               evaluation_context: EvaluationContext | None = None) -> FlagResolutionDetails[str]:
        """`ARM`: `stable` or `candidate`. `RETRIEVER_IMPL`: what the environment names, else the default."""
        if flag_key == ARM:
            arm, reason, told = self._arm(evaluation_context)
            return FlagResolutionDetails(arm, reason=reason, variant=arm, flag_metadata=told)
        if flag_key == RETRIEVER_IMPL:
            said = self._environ.get(RETRIEVER_IMPL, "").strip()
            return FlagResolutionDetails(said or default_value, reason=Reason.STATIC if said else Reason.DEFAULT)
        return _unknown(flag_key, default_value, (CANARY_PERCENT, RERANKER, "candidate"))

    def resolve_float_details(self, flag_key: str, default_value: float,
                              evaluation_context: EvaluationContext | None = None  # noqa: ARG002
                              ) -> FlagResolutionDetails[float]:
        """`CANARY_PERCENT`: the share as it is served."""
        if flag_key != CANARY_PERCENT:
            return _unknown(flag_key, default_value, (ARM, RETRIEVER_IMPL, RERANKER, "candidate"))
        pointer, told = self._read()
        return FlagResolutionDetails(serving_percent(pointer, self._environ), flag_metadata=told,
                                     reason=Reason.DEFAULT if pointer is None else Reason.STATIC)

    def resolve_integer_details(self, flag_key: str, default_value: int,
                                evaluation_context: EvaluationContext | None = None) -> FlagResolutionDetails[int]:
        """`CANARY_PERCENT` in whole percents, rounded down."""
        found = self.resolve_float_details(flag_key, float(default_value), evaluation_context)
        return FlagResolutionDetails(default_value if found.error_code else math.floor(found.value),
                                     error_code=found.error_code, error_message=found.error_message,
                                     reason=found.reason, flag_metadata=found.flag_metadata)

    def resolve_object_details(self, flag_key: str, default_value: Sequence[Any] | Mapping[str, Any],
                               evaluation_context: EvaluationContext | None = None  # noqa: ARG002
                               ) -> FlagResolutionDetails[Sequence[Any] | Mapping[str, Any]]:
        """None of the flags is an object."""
        return _unknown(flag_key, default_value, (ARM, CANARY_PERCENT, RETRIEVER_IMPL, RERANKER, "candidate"))

    def _read(self) -> tuple[Pointer | None, dict[str, Any]]:
        try:
            return self._pointer(), {}
        except Exception as error:  # a flag must answer, whatever the store does: by the stable release
            return None, {"error": type(error).__name__}

    def _arm(self, context: EvaluationContext | None) -> tuple[Assignment, Reason, dict[str, Any]]:
        pointer, told = self._read()
        unit = None if context is None else context.targeting_key
        percent = serving_percent(pointer, self._environ)
        if pointer is None or pointer.candidate is None or not unit or percent == 0.0:
            return "stable", Reason.DEFAULT, told
        key = experiment_key(pointer.environment, pointer.candidate, secret=self._secret)
        return assigned(unit, key=key, percent=percent), Reason.SPLIT, told


def _unknown(flag: str, default: Any, others: Sequence[str]) -> FlagResolutionDetails[Any]:
    known = flag in others
    return FlagResolutionDetails(default, reason=Reason.ERROR,
                                 error_code=ErrorCode.TYPE_MISMATCH if known else ErrorCode.FLAG_NOT_FOUND,
                                 error_message=f"{flag} has another type" if known else f"no flag {flag}")
