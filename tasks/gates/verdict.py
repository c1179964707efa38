"""From a number and its limits to a verdict."""

import math
from dataclasses import dataclass
from typing import Literal

from tasks.artifacts.subject import GateRecord, Verdict
from tasks.errors import BadInput

Good = Literal["high", "low"]


@dataclass(frozen=True)
class Limits:
    """A value on the wrong side of ``warn`` is doubtful, of ``fail`` refused; equal limits leave nothing doubtful."""

    warn: float
    fail: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.warn) and math.isfinite(self.fail)):
            raise BadInput(f"params.yaml: the limits of a gate are numbers, not {self.warn} and {self.fail}")


def judge(value: float, limits: Limits, good: Good) -> Verdict:
    """The verdict on ``value`` where high or low values are good; a value on a limit is still on its good side.

    Raises BadInput where ``fail`` lies on the good side of ``warn``, or the value is not a number.
    """
    sign = 1.0 if good == "low" else -1.0
    if sign * limits.fail < sign * limits.warn:
        raise BadInput(f"params.yaml: a gate would fail at {limits.fail:g} before it warns at {limits.warn:g}")
    if math.isnan(value):
        raise BadInput("a gate measured something that is not a number")
    if sign * value > sign * limits.fail:
        return "fail"
    return "warn" if sign * value > sign * limits.warn else "pass"


def gate(name: str, value: float, unit: str, limits: Limits, good: Good, advice: str) -> GateRecord:
    """The record of a gate.  advice: what to do where the verdict is not ``pass``."""
    verdict = judge(value, limits, good)
    return GateRecord(
        gate=name,
        verdict=verdict,
        value=round(float(value), 3),
        unit=unit,
        limits=in_words(limits, unit, good),
        advice="" if verdict == "pass" else advice,
    )


def not_measured(
    name: str, unit: str, limits: Limits, good: Good, why: str, verdict: Verdict = "not measured"
) -> GateRecord:
    """The record of a gate that has no number, and why; ``warn`` where that itself is a reason to look."""
    words = in_words(limits, unit, good)
    return GateRecord(gate=name, verdict=verdict, value=None, unit=unit, limits=words, advice=why)


def in_words(limits: Limits, unit: str, good: Good) -> str:
    """``at least 30 s, refused below 5 s``."""
    first, second = ("at least", "below") if good == "high" else ("at most", "above")
    warn, fail = (f"{number:g} {unit}".strip() for number in (limits.warn, limits.fail))
    return f"{first} {warn}, refused {second} {fail}"
