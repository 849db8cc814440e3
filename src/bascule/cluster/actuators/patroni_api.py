"""Patroni's REST API: who leads, how far this node is behind, and the order to lead.

Source: Patroni 4.1, "Patroni REST API": `GET /primary` answers 200 where the leader's lock is held and this is no
standby cluster; `GET /cluster`; `POST /switchover` (200 done, 202 scheduled, 412 not possible, 503 not done);
`PATCH /config`.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from bascule.cluster.checks.asking import Questions, UnansweredError, check_url
from bascule.kernel.errors import ActuatorError

HINT = "is Patroni running, with its REST API there?"


class _Patroni(Struct, frozen=True):
    name: str = ""


class _Node(Struct, frozen=True):
    state: str = ""
    role: str = ""
    patroni: _Patroni = _Patroni()


class _Member(Struct, frozen=True):
    name: str
    role: str = ""
    state: str = ""
    lag: int | str | None = None


class _Cluster(Struct, frozen=True):
    members: tuple[_Member, ...] = ()
    pause: bool = False


class Member(Struct, frozen=True, kw_only=True):
    """One node, as Patroni's store knows it.

    Attributes:
        name: Its name.
        role: `leader`, `replica`, `sync_standby` and others.
        state: `running`, `streaming` and others.
        lag_bytes: How far it is behind what the leader had written when it last said so; None: unknown, or the leader.
    """

    name: str
    role: str
    state: str
    lag_bytes: int | None


class Members(Struct, frozen=True, kw_only=True):
    """All nodes.

    Attributes:
        members: By name.
        is_paused: Patroni's maintenance mode: it does not fail over by itself.
    """

    members: dict[str, Member] = field(default_factory=dict)
    is_paused: bool = False

    @property
    def leader(self) -> str:
        """Who leads; empty: nobody."""
        return next((one.name for one in self.members.values() if one.role in {"leader", "standby_leader"}), "")


class PatroniApi:
    """Asks one Patroni, and orders it.

    Args:
        url: Of its REST API: `http://10.0.0.1:8008`.
        questions: How it is asked.
    """

    def __init__(self, url: str, questions: Questions) -> None:
        self.url = check_url(url, where="url", has_path=False)
        self._questions = questions

    async def _ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._questions.ask(method, self.url + path, body=content)
        except UnansweredError as error:
            raise ActuatorError(f"Patroni does not answer: {error}", where=self.url, hint=HINT) from None
        return answer.status, answer.body

    def _refused(self, what: str, status: int, body: bytes) -> ActuatorError:
        words = "".join(one if one.isprintable() else " " for one in body.decode("utf-8", "replace"))
        hint = "are user and password_file as in its `restapi` section?" if status in {401, 403} else HINT
        return ActuatorError(f"Patroni {what}: status {status} {words[:200].strip()}", where=self.url, hint=hint)

    async def name(self) -> str:
        """What this node is called.

        Raises:
            ActuatorError: Patroni did not say.
        """
        status, body = await self._ask("GET", "/patroni")
        try:
            name = msgspec.json.decode(body, type=_Node).patroni.name
        except msgspec.MsgspecError as error:
            raise self._refused(f"does not say what it is ({error})", status, body) from None
        if status != 200 or not name:
            raise self._refused("does not say how this node is called", status, body)
        return name

    async def is_primary(self) -> bool:
        """Whether this node is the primary and holds Patroni's lock, as of the last round of its loop.

        Raises:
            ActuatorError: Patroni did not say.
        """
        status, body = await self._ask("GET", "/primary")
        if status not in {200, 503}:
            raise self._refused("does not say whether this node is the primary", status, body)
        return status == 200

    async def members(self) -> Members:
        """All nodes.

        Raises:
            ActuatorError: Patroni did not say.
        """
        status, body = await self._ask("GET", "/cluster")
        try:
            seen = msgspec.json.decode(body, type=_Cluster)
        except msgspec.MsgspecError as error:
            raise self._refused(f"does not say who is there ({error})", status, body) from None
        if status != 200:
            raise self._refused("does not say who is there", status, body)
        found = {
            one.name: Member(
                name=one.name,
                role=one.role,
                state=one.state,
                lag_bytes=one.lag if isinstance(one.lag, int) and one.lag >= 0 else None,
            )
            for one in seen.members
        }
        return Members(members=found, is_paused=seen.pause)

    async def switch_over(self, leader: str, candidate: str = "") -> None:
        """Have Patroni move its leader; returns when Patroni says that it did, or that it took the order.

        Args:
            leader: Who leads now; Patroni refuses if it is somebody else.
            candidate: Who is to lead; by default whom Patroni chooses, which it does not while it is paused.

        Raises:
            ActuatorError: It refused, or did not do it.
        """
        wanted = {"leader": leader, **({"candidate": candidate} if candidate else {})}
        status, body = await self._ask("POST", "/switchover", wanted)
        if status not in {200, 202}:
            whom = f"from {leader} to {candidate}" if candidate else f"away from {leader}"
            raise self._refused(f"did not switch over {whom}", status, body)

    async def settle(self, *, paused: bool) -> None:
        """Pause Patroni's own failover for the whole cluster, or resume it.

        Raises:
            ActuatorError: It refused.
        """
        status, body = await self._ask("PATCH", "/config", {"pause": True if paused else None})
        if status != 200:
            raise self._refused("was not paused" if paused else "was not resumed", status, body)
