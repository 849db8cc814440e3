"""How a proxy process is asked, what it refuses, and how it ends."""

from __future__ import annotations

import contextlib
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.proxy.proxy_rig import PATIENCE_S, Echo, Rig, dial, raw, round_trip_s

from bascule.chaos.proxy.client import ProxyClient
from bascule.chaos.proxy.http_faults import AnyHttpFault, Status
from bascule.chaos.proxy.protocol import LINE_LIMIT_BYTES, MOST_PROXIES, MOST_TOXICS, ProxyStatus
from bascule.chaos.proxy.toxics import AnyToxic, Latency, Timeout
from bascule.kernel.errors import FaultError, InputError, MachineError

pytestmark = pytest.mark.real


def test_sigkill_leaves_nobody_listening(rig: Rig, proxied: ProxyStatus) -> None:
    line = dial(proxied)
    round_trip_s(line)
    rig.process.send_signal(signal.SIGKILL)
    rig.process.wait()
    with contextlib.suppress(ConnectionResetError):
        assert line.recv(1) == b""
    line.close()
    with pytest.raises(ConnectionRefusedError):
        dial(proxied)
    with pytest.raises(FaultError, match="no proxy process answers"):
        rig.client.proxies()
    again = Rig(rig.path.parent)
    assert again.client.proxies() == (), "the place of one that was killed can be had again"
    again.close()


def test_it_ends_with_its_owner_and_on_request(rig: Rig, tmp_path: Path) -> None:
    assert rig.process.stdin is not None
    rig.process.stdin.close()
    assert rig.process.wait(PATIENCE_S) == 0
    assert not rig.path.exists()
    rig = Rig(tmp_path)
    rig.process.terminate()
    assert rig.process.wait(PATIENCE_S) == 0
    rig.close()


def test_a_second_process_does_not_take_the_place_of_a_living_one(rig: Rig) -> None:
    argv = [sys.executable, "-m", "bascule.chaos.proxy", "--socket", str(rig.path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {rig.path}: another proxy process runs here")
    assert rig.client.proxies() == ()


def test_the_control_socket_is_its_owners_alone(rig: Rig) -> None:
    assert stat.S_IMODE(rig.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        b"frogs\n",
        b'{"do": "fly"}\n',
        b'{"do": "create", "name": "../a", "listen": "127.0.0.1:0", "upstream": "a:1"}\n',
        b'{"do": "toxics", "name": "echo", "toxics": [{"toxic": "latency", "latency_s": -1}]}\n',
        b'{"do": "toxics", "name": "echo", "toxics": [%b]}\n'
        % b",".join([b'{"toxic": "slow_close", "delay_s": 1}'] * (MOST_TOXICS + 1)),
        b"x" * (LINE_LIMIT_BYTES + 10) + b"\n",
    ],
)
def test_what_is_no_request_is_refused_and_changes_nothing(rig: Rig, proxied: ProxyStatus, text: bytes) -> None:
    failure = raw(rig, text)["failure"]
    assert isinstance(failure, dict)
    assert failure["kind"] == "InputError"
    assert rig.client.proxies() == (proxied,)


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("0.0.0.0:0", "127.0.0.1:1"),
        ("[::]:0", "127.0.0.1:1"),
        ("192.0.2.1:0", "127.0.0.1:1"),
        ("example.org:80", "127.0.0.1:1"),
        ("127.0.0.1:70000", "127.0.0.1:1"),
        ("127.0.0.1:0", "nowhere"),
    ],
)
def test_where_a_proxy_may_not_listen_it_does_not(rig: Rig, listen: str, upstream: str) -> None:
    with pytest.raises(InputError):
        rig.client.create("bad", upstream, listen=listen)
    assert rig.client.proxies() == ()


def test_an_address_beyond_the_loopback_has_to_be_allowed(tmp_path: Path, echo: Echo) -> None:
    argv = [sys.executable, "-m", "bascule.chaos.proxy", "--socket", str(tmp_path / "s"), "--allow-listen", "192.0.2.1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(MachineError, match="cannot listen"):  # allowed, but this machine has no such address
            ProxyClient(tmp_path / "s").create("far", echo.address, listen="192.0.2.1:0")
        process.kill()


def test_there_are_limits_and_names_are_taken_once(rig: Rig, echo: Echo) -> None:
    for number in range(MOST_PROXIES):
        rig.client.create(f"p{number}", echo.address)
    with pytest.raises(InputError, match="that is the limit"):
        rig.client.create("more", echo.address)
    with pytest.raises(InputError, match="already"):
        rig.client.create("p0", echo.address)
    with pytest.raises(InputError, match="there is no proxy more"):
        rig.client.status("more")
    first = rig.client.remove("p0")
    with pytest.raises(ConnectionRefusedError):
        dial(first)
    with pytest.raises(MachineError, match="cannot listen"):
        rig.client.create("p0", echo.address, listen=rig.client.status("p1").listen)


def test_two_toxics_of_one_name_and_http_on_bytes_are_refused(rig: Rig, proxied: ProxyStatus) -> None:
    two: tuple[AnyToxic, ...] = (Latency(latency_s=1), Latency(latency_s=2))
    fault: AnyHttpFault = Status(status=500)
    with pytest.raises(InputError, match="more than one is named latency_downstream"):
        rig.client.set_toxics("echo", *two)
    with pytest.raises(InputError, match="knows no HTTP"):
        rig.client.set_faults("echo", fault)
    assert rig.client.status("echo") == proxied


def test_reset_takes_everything_away(rig: Rig, echo: Echo, proxied: ProxyStatus) -> None:
    web = rig.client.create("web", echo.address, protocol="http")
    rig.client.set_faults("web", Status(status=500))
    rig.client.set_toxics("echo", Timeout(timeout_s=0))
    rig.client.disable("echo")
    assert all(one.enabled and not one.toxics and not one.faults for one in rig.client.reset())
    with dial(proxied) as line, dial(web) as other:
        round_trip_s(line)
        round_trip_s(other, bytes(100))
