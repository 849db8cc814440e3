"""What rules ask about proxies: which have servers, which are checked, which send to the primary alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.haproxy.configuration import Configuration, Section, Server

PRIMARY_PATHS = frozenset({"/primary", "/master", "/leader", "/read-write", "/standby-leader", "/standby_leader"})
"""What Patroni's REST API answers with 200 on one member alone."""
PATRONI_PORT = "8008"
"""Where Patroni's REST API is unless it is told otherwise; there, `/` is what `/primary` is."""
CHECKS = (
    "httpchk", "mysql-check", "pgsql-check", "redis-check", "ldap-check", "smtpchk", "ssl-hello-chk", "spop-check",
    "external-check",
)  # fmt: skip
_NUMERIC = re.compile(
    r"(?:ipv[46]@)?(?:[0-9.]++|\*)(?::.*+)?|(?:ipv6@)?\[?(?:[0-9A-Fa-f.]*+:){2}[^g-zG-Z]*+"  # read once, from the left
)
_LOCAL = re.compile(
    r"(?:ipv[46]@)?(?:127\.|\[?::1\]?(?::|$)|localhost(?::|$))|/|unix@|abns@|abnsz@|fd@|sockpair@|rhttp@"
)


def balanced(estate: Estate) -> Iterator[tuple[Configuration, Section]]:
    """Every backend and listen section that has servers."""
    for configuration in estate.of(Configuration):
        for section in configuration.of("backend", "listen"):
            if section.servers:
                yield configuration, section


def is_name(server: Server) -> bool:
    """Whether the server's address has to be resolved: no number, no socket of this host, no variable."""
    text = server.address.text
    return not (_NUMERIC.fullmatch(text) or _LOCAL.match(text) or "$" in text or not text)


def is_local(server: Server) -> bool:
    """Whether the server is on the proxy's own host, whose fate it shares."""
    return _LOCAL.match(server.address.text) is not None


def is_checked(server: Server) -> bool:
    """Whether HAProxy finds out that the server is down, by its own checks, another's, or an agent's."""
    return server.has("check") or server.has("agent-check") or server.value("track") is not None


def count(section: Section) -> int:
    """How many servers the section has, templates with all that they make, without those that are switched off."""
    return sum(one.count for one in section.servers if not one.has("disabled"))


def check_path(section: Section) -> str:
    """The path that HTTP checks ask for; empty where they are no HTTP checks."""
    line = section.option("httpchk")
    if line is None:
        return ""
    send = section.find("http-check", "send")
    if send is not None:
        words = [word.text for word in send.words]
        if "uri" in words[:-1]:
            return words[words.index("uri") + 1]
    written = [word.text for word in line.words[2:]]
    return next((word for word in written if word.startswith("/")), "/")


def is_primary_only(section: Section) -> bool:
    """Whether its checks let one member through alone: the primary of a database."""
    path = check_path(section).partition("?")[0]
    if path in PRIMARY_PATHS or (path == "/" and all(one.value("port") == PATRONI_PORT for one in section.servers)):
        return True
    return any(line.words[-1].text == "role:master" for line in section.own("tcp-check", "expect"))


def ways(estate: Estate) -> dict[tuple[str, str], list[Section]]:
    """By file and backend: the frontends of the same file that name the backend. For `Estate.index`."""
    found: dict[tuple[str, str], list[Section]] = {}
    for configuration in estate.of(Configuration):
        for frontend in configuration.of("frontend"):
            default = frontend.find("default_backend")
            lines = [*frontend.own("use_backend"), *([default] if default else [])]
            for name in {line.word(1) for line in lines}:
                found.setdefault((configuration.file.name, name), []).append(frontend)
    return found
