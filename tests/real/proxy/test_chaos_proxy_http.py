"""Each HTTP fault as a client sees it, and that nothing of it is left when it is taken away."""

from __future__ import annotations

import http.client
import time
from http.server import ThreadingHTTPServer

import pytest
from tests.real.proxy.proxy_rig import BODY, Echo, Rig, dial, get, round_trip_s

from bascule.chaos.proxy.http_faults import CorruptBody, CutBody, SlowAnswer, SlowBody, Status

pytestmark = pytest.mark.real


@pytest.mark.parametrize("path", ["/length", "/chunked"])
def test_a_status_is_replaced_and_the_connection_lives_on(
    rig: Rig, web: ThreadingHTTPServer, browsed: http.client.HTTPConnection, path: str
) -> None:
    assert get(browsed, path) == (200, BODY)
    first = browsed.sock
    rig.client.set_faults("web", Status(status=503, path=path, method="GET"))
    assert get(browsed, path)[0] == 503
    assert get(browsed, "/else") == (200, BODY)
    assert web.requests == 3, "the server has served them all"  # type: ignore[attr-defined]  # the counter is ours
    assert rig.client.status("web").acted["status"].acts == 1
    rig.client.set_faults("web")
    assert get(browsed, path) == (200, BODY)
    assert browsed.sock is first


@pytest.mark.parametrize("path", ["/length", "/chunked"])
def test_a_corrupted_body(rig: Rig, browsed: http.client.HTTPConnection, path: str) -> None:
    rig.client.set_faults("web", CorruptBody(every_bytes=1000))
    _, body = get(browsed, path)
    assert [at for at in range(len(BODY)) if body[at] != BODY[at]] == [0, 1000, 2000]
    rig.client.set_faults("web")
    assert get(browsed, path) == (200, BODY)


def test_a_slow_body(rig: Rig, browsed: http.client.HTTPConnection) -> None:
    rig.client.set_faults("web", SlowBody(rate_bytes_per_s=len(BODY) * 2))
    begun_s = time.monotonic()
    assert get(browsed) == (200, BODY)
    assert time.monotonic() - begun_s >= 0.5
    rig.client.set_faults("web")
    assert get(browsed) == (200, BODY)


def test_a_slow_answer(rig: Rig, browsed: http.client.HTTPConnection) -> None:
    rig.client.set_faults("web", SlowAnswer(delay_s=0.3))
    begun_s = time.monotonic()
    browsed.request("GET", "/length")
    answer = browsed.getresponse()
    assert time.monotonic() - begun_s >= 0.3
    assert answer.read() == BODY


@pytest.mark.parametrize("path", ["/length", "/chunked"])
def test_a_cut_body(rig: Rig, browsed: http.client.HTTPConnection, path: str) -> None:
    rig.client.set_faults("web", CutBody(after_bytes=1000))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(browsed, path)
    assert caught.value.partial == BODY[:1000]
    rig.client.set_faults("web")
    browsed.close()
    assert get(browsed, path) == (200, BODY)


def test_an_http_proxy_lets_other_protocols_through(rig: Rig, echo: Echo) -> None:
    status = rig.client.create("redis", echo.address, protocol="http")
    rig.client.set_faults("redis", Status(status=500))
    with dial(status) as line:
        round_trip_s(line, b"*1\r\n$4\r\nPING\r\n")
        round_trip_s(line, bytes(100))
        assert rig.client.status("redis").opaque == 1
