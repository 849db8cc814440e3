"""What is said of a DNS name is refused at the start where it cannot work; keys are read with care."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bascule.cluster.actuators import dns, dns_server, fencing_record
from bascule.kernel.errors import ActuatorError, ConflictError, InputError
from bascule.kernel.quantities import Duration

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ=="
KEY = f'key "ha.example" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n'


def write(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def options(tmp_path: Path) -> dns.Options:
    key_file = write(tmp_path / "ha.key", KEY)
    return dns.Options(
        servers=("192.0.2.53",), zone="ha.example", name="db.ha.example", value="10.0.0.1", key_file=key_file
    )


def test_a_key_is_read_as_tsig_keygen_writes_it(tmp_path: Path) -> None:
    key = dns_server.read_key(write(tmp_path / "key", "# of the agents\n" + KEY))
    assert (key.name.to_text(), key.algorithm.to_text()) == ("ha.example.", "hmac-sha512.")
    assert b"secret-secret" in key.secret


@pytest.mark.parametrize(
    "text",
    ["", "key", SECRET, KEY + KEY, KEY.replace("sha512", "md5"), KEY.replace(SECRET, "A"), KEY.replace(SECRET, "A" * 9),
     KEY.replace(SECRET, "=A" * 8), KEY.replace("secret ", "secrets ")],
)  # fmt: skip
def test_what_is_no_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as refused:
        dns_server.read_key(write(tmp_path / "key", text))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InputError, match="open to others"):
        dns_server.read_key(write(tmp_path / "key", KEY, mode))


def test_a_key_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        dns_server.read_key(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": ()},
        {"servers": ("ns.example",)},
        {"servers": ("192.0.2.53:0",)},
        {"servers": ("192.0.2.53",) * 9},
        {"zone": "other.example"},
        {"zone": "x" * 64},
        {"name": "*.ha.example"},
        {"name": "a..b"},
        {"value": "fd00::1"},
        {"value": "10.0.0.1\n10.0.0.2"},
        {"type": "AAAA"},
        {"type": "CNAME", "value": "a..b"},
        {"ttl": Duration(0.5)},
        {"ttl": Duration(604801)},
        {"timeout": Duration(0)},
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(options: dns.Options, changes: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        dns.make(msgspec.structs.replace(options, **changes))
    assert refused.value.where


@pytest.mark.parametrize("text", ["192.0.2.53", "192.0.2.53:5353", "fd00::53", "[fd00::53]:53"])
def test_servers_are_addresses_with_or_without_a_port(text: str) -> None:
    place = dns_server.place_of(text)
    assert place.port in {53, 5353}
    assert ":" not in place.host or place.host == "fd00::53"


def test_the_options_need_no_dns_library() -> None:
    said = "import sys, bascule.cluster.actuators.dns_options; print('dns' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_token_is_read_as_it_is_written() -> None:
    assert fencing_record.token_of((fencing_record.text_of(12),), "") == 12
    assert fencing_record.token_of((), "") is None


@pytest.mark.parametrize(
    "texts",
    [("",), ("bascule-token=",), ("bascule-token=-1",), ("bascule-token=1 ",), ("bascule-token=" + "9" * 21,),
     ("bascule-token=1", "bascule-token=2"), ("v=spf1",), ("bascule-token=٣",)],
)  # fmt: skip
def test_what_is_no_token_is_somebody_elses(texts: tuple[str, ...]) -> None:
    with pytest.raises(ActuatorError, match="not a fencing token"):
        fencing_record.token_of(texts, "db")


def test_only_a_later_term_is_left_alone() -> None:
    for there in (None, 6, 7):
        fencing_record.refuse_if_newer(there, 7, "db")
    with pytest.raises(ConflictError):
        fencing_record.refuse_if_newer(8, 7, "db")
