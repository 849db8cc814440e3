"""The keywords of `server` and `default-server` lines with their arguments, and HAProxy's times. Pure.

Source: HAProxy 2.8 configuration manual, 2.5 (time format), 5.2 (server and default-server options).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from bascule.audit.place import Place
from bascule.audit.words import Word

Options: TypeAlias = dict[str, tuple[str, Place]]
"""By keyword: its argument (of a flag: empty, or `no` where it is switched off), and where both stand."""

_FLAGS = frozenset({"check", "backup", "disabled", "agent-check", "ssl", "check-ssl", "send-proxy", "send-proxy-v2"})
_OFF = {"no-check": "check", "no-backup": "backup", "enabled": "disabled", "no-agent-check": "agent-check"}
_VALUED = frozenset(
    {
        "inter", "fastinter", "downinter", "fall", "rise", "port", "addr", "weight", "maxconn", "cookie", "track",
        "observe", "on-error", "on-marked-down", "on-marked-up", "slowstart", "resolvers", "init-addr", "error-limit",
    }
)  # fmt: skip
_SKIPPED = frozenset(
    {
        "agent-addr", "agent-inter", "agent-port", "agent-send", "alpn", "ca-file", "check-alpn", "check-proto",
        "check-sni", "ciphers", "ciphersuites", "crl-file", "crt", "guid", "hash-key", "id", "log-bufsize", "log-proto",
        "max-reuse", "maxqueue", "minconn", "namespace", "npn", "pool-low-conn", "pool-max-conn", "pool-purge-delay",
        "proto", "redir", "resolve-net", "resolve-opts", "resolve-prefer", "shard", "sni", "socks4", "source",
        "ssl-max-ver", "ssl-min-ver", "tcp-ut", "verify", "verifyhost", "ws", "proxy-v2-options",
    }
)  # fmt: skip
_TIME = re.compile(r"([0-9]{1,12})(us|ms|s|m|h|d)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parsed(words: Sequence[Word]) -> Options:
    """What the words behind a server's address say, of the keywords that rules ask for."""
    options: Options = {}
    at = 0
    while at < len(words):
        word, has_value = words[at], at + 1 < len(words)
        if word.text in _FLAGS:
            options[word.text] = ("", word.place)
        elif word.text in _OFF:
            options[_OFF[word.text]] = ("no", word.place)
        elif word.text in _VALUED and has_value:
            value = words[at + 1]
            first, last = word.place, value.place
            place = Place(first.file, first.line, first.column, last.end_line, last.end_column)
            options[word.text] = (value.text, place)
            at += 1
        elif word.text in _SKIPPED:
            at += 1
        at += 1
    return options


def seconds(text: str | None, default_s: float | None = None) -> float | None:
    """A time in seconds, written without a unit in milliseconds.

    Args:
        text: As written; None where nothing is.
        default_s: What holds where nothing is written.

    Returns:
        None where the text is no time, such as a variable.
    """
    if text is None:
        return default_s
    found = _TIME.fullmatch(text)
    return float(found[1]) * _SECONDS[found[2] or "ms"] if found else None


def whole(text: str | None, default: int | None = None) -> int | None:
    """A whole number, the default where nothing is written; None where the text is none, such as a variable."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None
