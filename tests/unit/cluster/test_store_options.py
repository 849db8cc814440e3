"""What may be said of etcd, NATS and Kubernetes, and what is refused before anything connects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bascule.cluster.stores import etcd, kubernetes, nats
from bascule.cluster.stores.kubernetes_access import Token, resolve
from bascule.cluster.stores.nats_link import Login
from bascule.cluster.stores.secret_files import read_secret, without
from bascule.kernel.errors import InputError, StoreError

Any_ = etcd.Options | nats.Options | kubernetes.Options
CERT = {"cert_file": "a.pem"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"kind":"etcd","endpoints":["http://10.0.0.1:2379"]}', etcd.Options),
        ('{"kind":"nats","servers":["nats://10.0.0.1:4222"]}', nats.Options),
        ('{"kind":"kubernetes"}', kubernetes.Options),
    ],
)
def test_the_kind_tells_them_apart(text: str, kind: type) -> None:
    assert type(msgspec.json.decode(text, type=Any_)) is kind


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"endpoints": ()}, "endpoints"),
        ({"endpoints": ("http://10.0.0.1:2379",) * 17}, "endpoints"),
        ({"endpoints": ("10.0.0.1:2379",)}, "endpoints"),
        ({"endpoints": ("ftp://10.0.0.1",)}, "endpoints"),
        ({"endpoints": ("http://",)}, "endpoints"),
        ({"endpoints": ("http://a:b:c",)}, "endpoints"),
        ({"endpoints": ("http://a:70000",)}, "endpoints"),
        ({"endpoints": ("http://a/v3",)}, "endpoints"),
        ({"endpoints": ("http://root:sesame@a",)}, "endpoints"),
        ({"endpoints": ("http://a",), "user": "root"}, "user"),
        ({"endpoints": ("http://a",), "password_file": "/x"}, "user"),
        ({"endpoints": ("http://a",), **CERT}, "cert_file"),
    ],
)
def test_what_is_impossible_for_etcd(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as told:
        etcd.make(etcd.Options(**options))
    assert told.value.where == where
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"servers": ()}, "servers"),
        ({"servers": ("http://a",)}, "servers"),
        ({"servers": ("nats://agent:sesame@a",)}, "servers"),
        ({"servers": ("nats://a:x",)}, "servers"),
        ({"bucket": "a.b"}, "bucket"),
        ({"bucket": ""}, "bucket"),
        ({"replicas": 2}, "replicas"),
        ({"user": "agent"}, "user"),
        ({"user": "agent", "password_file": "/x", "token_file": "/y"}, "token_file"),
        (CERT, "cert_file"),
    ],
)
def test_what_is_impossible_for_nats(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as told:
        nats.make(nats.Options(**{"servers": ("nats://a",), **options}))
    assert told.value.where == where
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, "server"),
        ({"server": "https://a"}, "namespace"),
        ({"server": "https://a", "namespace": "Not-Legal"}, "namespace"),
        ({"server": "a", "namespace": "b"}, "server"),
        ({"server": "http://10.0.0.1", "namespace": "b", "token_file": "/x"}, "server"),
        ({"server": "https://a", "namespace": "b", **CERT}, "cert_file"),
    ],
)
def test_what_is_impossible_for_kubernetes(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as told:
        resolve(kubernetes.Options(**options), environment={}, pod=Path("/nowhere"))
    assert told.value.where == where


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_is_a_time(timeout_s: float) -> None:
    with pytest.raises(InputError):
        etcd.make(etcd.Options(endpoints=("http://a",)), timeout_s)
    with pytest.raises(InputError):
        nats.make(nats.Options(servers=("nats://a",)), timeout_s)
    with pytest.raises(InputError):
        kubernetes.make(kubernetes.Options(server="http://127.0.0.1:1", namespace="a"), timeout_s)


def test_a_pod_needs_nothing_said(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("ours")
    environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = resolve(kubernetes.Options(), environment, tmp_path)
    assert access.url == "https://10.96.0.1:6443"
    assert access.namespace == "ours"
    assert access.token_file == str(tmp_path / "token")
    assert access.tls.ca_file == str(tmp_path / "ca.crt")
    six = resolve(kubernetes.Options(), {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert six.url == "https://[fd00::1]:443"


def test_a_token_that_is_missing_is_told_and_a_new_one_is_read(tmp_path: Path) -> None:
    secrets: list[str] = []
    path = tmp_path / "token"
    token = Token(str(path), secrets)
    with pytest.raises(StoreError):
        token.text()
    path.write_text("first\n")
    assert token.text() == "first"
    path.write_text("second\n")
    assert token.text() == "first"
    assert token.text(anew=True) == "second"
    assert secrets == ["first", "second"]
    assert Token("", []).text(anew=True) == ""


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("sesame")
    path.chmod(mode)
    with pytest.raises(InputError, match="by others") as told:
        read_secret(str(path), for_whom="password_file")
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"\n", b" \nsecond", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_secret(str(path), for_whom="password_file")


def test_a_secret_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_bytes(b"open sesame\r\nand more\n")
    assert read_secret(str(path), for_whom="password_file") == "open sesame"
    with pytest.raises(InputError, match="cannot be read"):
        read_secret(str(tmp_path), for_whom="password_file")
    with pytest.raises(InputError, match="cannot be read"):
        read_secret("\0", for_whom="password_file")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(InputError, match="is no file"):
        read_secret(str(tmp_path / "pipe"), for_whom="password_file")


def test_secrets_are_struck_out() -> None:
    assert without(["", "se", "sesame"], "open sesame\n, se") == "open ***same , ***"
    assert without(["sesame"], "x" * 1000, 10) == "x" * 10
    assert without([], "red \x1b[31m\u202e") == "red ?[31m?"


def test_a_login_shows_nothing() -> None:
    assert "sesame" not in repr(Login(user="agent", password="open sesame", token="sesame"))
