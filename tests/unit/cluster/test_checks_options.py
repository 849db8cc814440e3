"""What cannot be asked is refused at the start; what may have an agent's file name a check."""

from __future__ import annotations

from typing import Any

import pytest

from bascule.cluster.agent.registry import choose, make_other
from bascule.kernel.errors import InputError


def made(document: dict[str, Any]) -> object:
    chosen, findings = choose(document, "check", "groups.g.check")
    assert not findings, findings
    assert chosen is not None
    return make_other(chosen)


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "http", "url": "http://127.0.0.1:8080/ready?full=1", "timeout": "500ms"},
        {"kind": "http", "url": "https://[::1]/", "host": "web.example"},
        {"kind": "tcp", "address": "127.0.0.1:5432"},
        {"kind": "tcp", "address": "[fd00::1]:5432", "timeout": "1m"},
        {"kind": "command", "command": ["pg_isready"]},
        {"kind": "command", "command": ["lag"], "prints_lag": True},
        {"kind": "patroni", "url": "http://127.0.0.1:8008/"},
        {"kind": "patroni", "url": "http://127.0.0.1:8008", "role": "any", "most_lag": "16MiB"},
    ],
)
def test_an_agents_file_may_name_it(document: dict[str, Any]) -> None:
    assert hasattr(made(document), "check")


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"kind": "http", "url": ""}, "url"),
        ({"kind": "http", "url": "http://localhost/"}, "url"),
        ({"kind": "http", "url": "http://web.example/"}, "url"),
        ({"kind": "http", "url": "ftp://127.0.0.1/"}, "url"),
        ({"kind": "http", "url": "file:///etc/passwd"}, "url"),
        ({"kind": "http", "url": "http://user:word@127.0.0.1/"}, "url"),
        ({"kind": "http", "url": "http://@127.0.0.1/"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1:0/"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1:99999/"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1/a b"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1/\r\nHost: x"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1/#x"}, "url"),
        ({"kind": "http", "url": "http://[::1/"}, "url"),
        ({"kind": "http", "url": "http://127.0.0.1/", "host": "a\r\nx: y"}, "host"),
        ({"kind": "http", "url": "http://127.0.0.1/", "timeout": "0s"}, "timeout"),
        ({"kind": "http", "url": "http://127.0.0.1/", "timeout": "61s"}, "timeout"),
        ({"kind": "tcp", "address": "127.0.0.1"}, "address"),
        ({"kind": "tcp", "address": "127.0.0.1:0"}, "address"),
        ({"kind": "tcp", "address": "127.0.0.1:65536"}, "address"),
        ({"kind": "tcp", "address": "localhost:80"}, "address"),
        ({"kind": "tcp", "address": "127.0.0.1:٣"}, "address"),
        ({"kind": "tcp", "address": "127.0.0.1:5432", "timeout": "2m"}, "timeout"),
        ({"kind": "command", "command": []}, "command"),
        ({"kind": "command", "command": ["x\0"]}, "command"),
        ({"kind": "command", "command": ["x"], "timeout": "0s"}, "timeout"),
        ({"kind": "patroni", "url": "http://127.0.0.1:8008/cluster"}, "url"),
        ({"kind": "patroni", "url": "http://127.0.0.1:8008?x"}, "url"),
    ],
)
def test_what_cannot_be_asked_is_refused(document: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as refused:
        made(document)
    assert refused.value.where == where
    assert "word" not in str(refused.value).replace("password", "")
