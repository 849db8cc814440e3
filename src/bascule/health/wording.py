"""What an error may say to whoever asks a probe: one short line without control characters and secrets. Pure."""

from __future__ import annotations

import re

MOST_CHARACTERS = 200
_MOST_READ = 1000  # and each repetition below is bounded: an error's text may be an attacker's
_HIDDEN = "***"
_IN_ADDRESS = re.compile(r"(?<=://)\S{0,500}@")
_NAMED = re.compile(
    r"""(?ix) ( (?: password | passwd | pwd | secret | token | api[_-]?key | access[_-]?key | credentials? )
    [\w.-]{0,32} ["']? \s? (?: = | : ) \s? ) (?: "[^"]*"? | '[^']*'? | [^\s,;&"']+ )"""
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)\S+(?:\s+\S+)?|\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}")


def sayable(text: str) -> str:
    """The text on one line, at most 200 characters long, with what looks like a secret replaced by `***`.

    A secret is recognised by what stands before it (`password=`, `token:`, `Bearer`, `//user:...@`). One that stands
    alone cannot be: a check must not put it into its error.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:_MOST_READ]).split())
    line = _IN_ADDRESS.sub(f"{_HIDDEN}@", line)
    line = _HEADER.sub(lambda match: f"{match[1] or match[2]}{_HIDDEN}", line)
    line = _NAMED.sub(rf"\1{_HIDDEN}", line)
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


def told(error: BaseException) -> str:
    """An error as a probe tells it: its kind, and what it says."""
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - an error that cannot say what it is must still be told
        text = "(it cannot be shown)"
    return sayable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
