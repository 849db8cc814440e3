from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bascule.cluster.actuators import bgp
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

TERM = Term(cluster="c", group="g", agent="a", token=1, until_s=1e9)


@pytest.mark.parametrize(
    "options",
    [
        bgp.Options(protocol="any cast"),
        bgp.Options(protocol="x\ndown"),
        bgp.Options(protocol="anycast", socket="bird.ctl"),
        bgp.Options(protocol="anycast", socket="10.0.0.1:80"),
        bgp.Options(protocol="anycast", timeout=Duration(0.0)),
        bgp.Options(),
        bgp.Options(protocol="anycast", routes=("192.0.2.1/32",)),
        bgp.Options(protocol="anycast", next_hop="10.0.0.1"),
        bgp.Options(speaker="exabgp"),
        bgp.Options(speaker="exabgp", protocol="anycast", routes=("192.0.2.1/32",)),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/24",)),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/32\nshutdown",)),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/32",), next_hop="me"),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/32",), socket="10.0.0.1:80"),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/32",), timeout=Duration(0.0)),
        bgp.Options(speaker="exabgp", routes=("192.0.2.1/32",) * 65),
    ],
)
def test_what_cannot_be_is_refused(options: bgp.Options) -> None:
    with pytest.raises(InputError):
        bgp.make(options)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\n",
        b"0001 BIRD ready.\n",
        b"0001 BIRD ready.\n9001 syntax error\n",
        b"0001 BIRD ready.\n" + b"1002-x\n" * 20_000,
        b"0001 BIRD ready.\n2002-Name\n1002-other Static master4 up\n0000 \n",
    ],
)
def test_whatever_answers_is_believed_only_if_it_speaks_as_bird(tmp_path: Path, answer: bytes) -> None:
    async def scene() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            del reader
            writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(serve, str(tmp_path / "bird.ctl"))
        actuator = bgp.make(bgp.Options(protocol="anycast", socket=str(tmp_path / "bird.ctl"), timeout=Duration(0.2)))
        with pytest.raises(ActuatorError):
            await actuator.promote(TERM)
        assert await actuator.look() in {"unknown", "passive"}
        server.close()

    asyncio.run(scene())


def test_both_speakers_are_called_by_what_they_announce() -> None:
    assert bgp.make(bgp.Options(protocol="anycast")).name == "bgp anycast"
    options = bgp.Options(speaker="exabgp", routes=("192.0.2.1/32", "FD00::1/128"))
    assert bgp.make(options).name == "bgp 192.0.2.1/32, fd00::1/128"


@pytest.mark.parametrize("answer", [b"", b"done", b"error\n", b"unknown\n", b"\xff\n", b"done\nmore\n", b"done\n"])
def test_whatever_answers_for_exabgp_is_believed_only_if_it_has_the_route(tmp_path: Path, answer: bytes) -> None:
    async def scene() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            writer.close()

        place = str(tmp_path / "relay.sock")
        server = await asyncio.start_unix_server(serve, place)
        options = bgp.Options(speaker="exabgp", routes=("192.0.2.1/32",), socket=place, timeout=Duration(1.0))
        with pytest.raises(ActuatorError) as raised:
            await bgp.make(options).promote(TERM)
        assert raised.value.hint
        server.close()

    asyncio.run(scene())
