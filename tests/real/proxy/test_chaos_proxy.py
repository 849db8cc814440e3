"""Each toxic as a client sees it, and that nothing of it is left when it is taken away."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from tests.real.proxy.proxy_rig import PATIENCE_S, Echo, Rig, acted, dial, receive, round_trip_s, wait_until

from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxy.toxics import AnyToxic, Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout

pytestmark = pytest.mark.real


def test_an_idle_proxy_carries_everything_both_ways(rig: Rig, proxied: ProxyStatus) -> None:
    data = os.urandom(8 * 2**20)
    with dial(proxied) as line:
        sender = threading.Thread(target=line.sendall, args=(data,))
        sender.start()
        assert receive(line, len(data)) == data
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b"", "the end of the stream comes through"
        sender.join()
    wait_until(lambda: rig.client.status("echo").connections == 0, "the connection ends")
    status = rig.client.status("echo")
    assert (status.upstream_bytes, status.downstream_bytes, status.accepted) == (len(data), len(data), 1)


def test_a_half_closed_connection_still_answers(echo: Echo, proxied: ProxyStatus) -> None:
    with dial(proxied) as line:
        line.sendall(b"last words")
        line.shutdown(socket.SHUT_WR)
        assert receive(line, 100) == b"last words"
    wait_until(lambda: echo.ends == ["end"], "the server heard the end")


def test_a_reset_of_the_client_reaches_the_server(echo: Echo, proxied: ProxyStatus) -> None:
    line = dial(proxied)
    round_trip_s(line)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
    wait_until(lambda: echo.ends == ["ConnectionResetError"], "the server saw the reset")


def test_a_client_that_does_not_read_is_not_read_for(echo: Echo, proxied: ProxyStatus, rig: Rig) -> None:
    with dial(proxied) as line:
        line.settimeout(1.0)
        with pytest.raises(TimeoutError):
            line.sendall(bytes(512 * 2**20))
        memory = Path(f"/proc/{rig.process.pid}/statm").read_text(encoding="ascii").split()[1]
        assert int(memory) * 4096 < 256 * 2**20, "what nobody reads does not pile up in the proxy"
    wait_until(lambda: len(echo.ends) == 1, "the server is let go")


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency(rig: Rig, proxied: ProxyStatus, stream: str) -> None:
    with dial(proxied) as line:
        round_trip_s(line)
        rig.client.set_toxics("echo", Latency(stream=stream, latency_s=0.3))  # type: ignore[arg-type]  # from a list
        assert round_trip_s(line) >= 0.3
        assert acted(rig, "echo", f"latency_{stream}") == (1, 5)
        rig.client.set_toxics("echo")
        round_trip_s(line)
        assert acted(rig, "echo", f"latency_{stream}") == (1, 5), "what was taken away acts no more"


def test_what_a_latency_holds_comes_when_it_is_taken_away(rig: Rig, proxied: ProxyStatus) -> None:
    with dial(proxied) as line:
        rig.client.set_toxics("echo", Latency(latency_s=3600))
        line.sendall(b"held")
        wait_until(lambda: acted(rig, "echo", "latency_downstream")[1] == 4, "the answer is held")
        rig.client.set_toxics("echo")
        assert receive(line, 4) == b"held"
        round_trip_s(line)


def test_bandwidth(rig: Rig, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", Bandwidth(rate_bytes_per_s=100_000))
    with dial(proxied) as line:
        assert round_trip_s(line, bytes(40_000)) >= 0.4
        rig.client.set_toxics("echo")
        round_trip_s(line, bytes(40_000))
    assert acted(rig, "echo", "bandwidth_downstream") == (1, 40_000)


def test_slow_close(rig: Rig, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", SlowClose(delay_s=0.3))
    with dial(proxied) as line:
        round_trip_s(line)
        begun_s = time.monotonic()
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
        assert time.monotonic() - begun_s >= 0.3
    assert acted(rig, "echo", "slow_close_downstream") == (1, 0)


def test_a_timeout_drops_and_then_closes(rig: Rig, proxied: ProxyStatus) -> None:
    with dial(proxied) as line:
        round_trip_s(line)
        begun_s = time.monotonic()
        rig.client.set_toxics("echo", Timeout(timeout_s=0.3))
        line.sendall(b"lost")
        assert line.recv(1) == b""
        assert time.monotonic() - begun_s >= 0.3
    assert acted(rig, "echo", "timeout_downstream") == (1, 4)
    rig.client.set_toxics("echo")
    with dial(proxied) as line:
        round_trip_s(line)


def test_a_timeout_of_zero_holds_until_it_is_taken_away(rig: Rig, echo: Echo, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", Timeout(timeout_s=0, stream="upstream"))
    with dial(proxied) as line, dial(proxied) as idle:
        line.sendall(b"lost")
        wait_until(lambda: acted(rig, "echo", "timeout_upstream") == (1, 4), "the request is dropped")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        assert echo.heard == 0
        wait_until(lambda: rig.client.status("echo").connections == 2, "both are held")
        rig.client.set_toxics("echo")
        line.settimeout(PATIENCE_S)
        assert line.recv(1) == b"", "a connection that lost bytes is not taken up again"
        round_trip_s(idle)


@pytest.mark.parametrize("timeout_s", [0.0, 0.3])
def test_reset_peer(rig: Rig, echo: Echo, proxied: ProxyStatus, timeout_s: float) -> None:
    with dial(proxied) as line:
        round_trip_s(line)
        begun_s = time.monotonic()
        rig.client.set_toxics("echo", ResetPeer(timeout_s=timeout_s))
        with pytest.raises(ConnectionResetError):
            line.recv(1)
        assert time.monotonic() - begun_s >= timeout_s
    wait_until(lambda: echo.ends == ["ConnectionResetError"], "the server saw it too")
    assert acted(rig, "echo", "reset_peer_downstream") == (1, 0)
    rig.client.set_toxics("echo")
    with dial(proxied) as line:
        round_trip_s(line)


def test_slicer(rig: Rig, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", Slicer(average_bytes=2, delay_s=0.1))
    with dial(proxied) as line:
        line.sendall(b"abcdef")
        begun_s = time.monotonic()
        assert line.recv(100) == b"ab"
        assert receive(line, 4) == b"cdef"
        assert time.monotonic() - begun_s >= 0.1
        rig.client.set_toxics("echo")
        round_trip_s(line)
    assert acted(rig, "echo", "slicer_downstream") == (1, 6)


def test_limit_data(rig: Rig, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", LimitData(bytes=10))
    with dial(proxied) as line:
        round_trip_s(line, b"12345")
        line.sendall(b"67890 and more")
        assert receive(line, 100) == b"67890"
    assert acted(rig, "echo", "limit_data_downstream") == (1, 9)
    rig.client.set_toxics("echo")
    with dial(proxied) as line:
        round_trip_s(line, bytes(100))


def test_toxicity_is_decided_once_for_each_connection(rig: Rig, proxied: ProxyStatus) -> None:
    rig.client.set_toxics("echo", LimitData(bytes=0, toxicity=0.5))
    lines = [dial(proxied) for _ in range(40)]
    try:
        hit = 0
        for line in lines:
            line.sendall(b"x")
            hit += line.recv(1) == b""
        assert 0 < hit < 40
        assert acted(rig, "echo", "limit_data_downstream") == (hit, hit)
    finally:
        for line in lines:
            line.close()


def test_a_disabled_proxy_refuses_and_has_the_same_port_again(rig: Rig, proxied: ProxyStatus) -> None:
    with dial(proxied) as line:
        round_trip_s(line)
        assert not rig.client.disable("echo").enabled
        with contextlib.suppress(ConnectionResetError):  # an orderly end or a reset: it is gone
            assert line.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(proxied)
    assert rig.client.enable("echo").listen == proxied.listen
    with dial(proxied) as line:
        round_trip_s(line)


def test_a_server_that_is_down_is_told_by_a_reset(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        address = f"127.0.0.1:{ear.getsockname()[1]}"
    status = rig.client.create("nobody", address)
    with pytest.raises(ConnectionResetError), dial(status) as line:
        line.recv(1)
    assert rig.client.status("nobody").unreached == 1


def test_nothing_is_left_of_connections_however_they_end(rig: Rig, proxied: ProxyStatus) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{rig.process.pid}/fd").iterdir()))

    before = descriptors()
    endings: tuple[tuple[AnyToxic, ...], ...] = (
        (),
        (Timeout(timeout_s=0),),
        (ResetPeer(),),
        (LimitData(bytes=2),),
        (SlowClose(delay_s=0.01),),
        (Latency(latency_s=0.01), Slicer(average_bytes=1)),
    )
    for toxics in endings:
        rig.client.set_toxics("echo", *toxics)
        lines = [dial(proxied) for _ in range(20)]
        for number, line in enumerate(lines):
            with contextlib.suppress(OSError):  # a reset came first
                line.sendall(b"hello")
                if number % 3 == 0:
                    line.shutdown(socket.SHUT_WR)
                elif number % 3 == 1:
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.close()
    rig.client.set_toxics("echo")
    wait_until(lambda: rig.client.status("echo").connections == 0, "every connection ends")
    # Not as many: a line of who asked before may have been on its way out when they were counted.
    wait_until(lambda: descriptors() <= before, f"every descriptor is given back: {before} were there before")
    assert rig.client.status("echo").accepted == 20 * len(endings)


def test_more_clients_than_descriptors_at_first_are_served(tmp_path: Path, echo: Echo) -> None:
    rig = Rig(tmp_path, "prlimit", "--nofile=256:4096")
    try:
        status = rig.client.create("echo", echo.address)
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(dial(status)) for _ in range(300)]
            for line in lines:
                round_trip_s(line)
            assert rig.client.status("echo").connections == 300
    finally:
        rig.close()


def test_a_held_connection_ends_when_both_sides_have_left_whoever_was_first(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        status = rig.client.create("brief", f"127.0.0.1:{ear.getsockname()[1]}")
        rig.client.set_toxics("brief", Timeout(timeout_s=0))
        with dial(status) as line:
            server, _ = ear.accept()
            server.sendall(b"lost")
            server.shutdown(socket.SHUT_WR)
            wait_until(lambda: acted(rig, "brief", "timeout_downstream") == (1, 4), "its last words are dropped")
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.recv(1)
        assert server.recv(1) == b"", "the client's end is not held"
        server.close()
        wait_until(lambda: rig.client.status("brief").connections == 0, "nobody is left to hold it for")
