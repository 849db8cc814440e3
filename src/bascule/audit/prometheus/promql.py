"""What rules ask about an expression in PromQL, without evaluating it. Pure.

Source: Prometheus documentation, Querying: Basics (durations, range selectors), Functions (rate, absent).
"""

from __future__ import annotations

import re

MOST_CHARACTERS = 65_536
# Quantifiers give nothing back (`++`), and no two beside each other take the same: 65,536 characters are read once.
_DURATION = r"(?:[0-9]{1,9}(?:ms|[smhdwy]))++"
_RATE = re.compile(rf"\b(rate|irate|increase)\s*+\([^()\[\]]{{1,2000}}+\[\s*+({_DURATION})\s*+\]")
_RANGE = re.compile(rf"\[\s*+({_DURATION})\s*+[\]:]")
_PART = re.compile(r"([0-9]{1,9})(ms|[smhdwy])")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31_536_000.0}
_ALWAYS = re.compile(
    r"\s*+\(?+\s*+(?:vector\s*+\(\s*+[0-9.]++\s*+\)|[0-9.]++\s*+==\s*+[0-9.]++)\s*+\)?+\s*+"
    r"(?:(?:>=|>|==|!=)\s*+[0-9.]++\s*+)?"
)
_UP_IS_ZERO = re.compile(r"(?<![\w:])up\s*+(\{[^{}]{0,2000}+\})?+\s*+(?:==\s*+0|<\s*+1|!=\s*+1)")
_ABSENT = re.compile(r"\babsent(?:_over_time)?+\s*+\(\s*+up\s*+(\{[^{}]{0,2000}+\})?+")
_JOB = re.compile(r"\bjob\s*=~?\s*[\"'`]([^\"'`]*)[\"'`]")


def seconds(text: str) -> float | None:
    """A duration like `5m` or `1h30m` in seconds; None where the text is none."""
    text = text.strip()
    if text == "0":
        return 0.0
    if len(text) > 100 or not re.fullmatch(_DURATION, text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def rate_windows(expression: str) -> list[tuple[str, str, float]]:
    """Every rate, irate or increase: its name, its window as written, and in seconds."""
    found = _RATE.findall(expression[:MOST_CHARACTERS])
    return [(name, window, seconds(window) or 0.0) for name, window in found]


def longest_range_s(expression: str) -> float:
    """The longest stretch of time that the expression looks back; 0 where it looks at this moment alone."""
    return max((seconds(each) or 0.0 for each in _RANGE.findall(expression[:MOST_CHARACTERS])), default=0.0)


def fires_always(expression: str) -> bool:
    """Whether the expression is true at all times, as a dead man's switch has it."""
    return len(expression) < 200 and _ALWAYS.fullmatch(expression) is not None


def jobs_that_are_down(expression: str) -> list[str]:
    """For each `up == 0` in the expression, the job that it asks for; empty where it asks for all."""
    return [_job(selector) for selector in _UP_IS_ZERO.findall(expression[:MOST_CHARACTERS])]


def jobs_that_are_absent(expression: str) -> list[str]:
    """For each `absent(up)` in the expression, the job that it asks for; empty where it asks for all."""
    return [_job(selector) for selector in _ABSENT.findall(expression[:MOST_CHARACTERS])]


def _job(selector: str) -> str:
    found = _JOB.search(selector)
    return found[1] if found else ""
