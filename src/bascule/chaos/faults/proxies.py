"""Faults of the way through a proxy process, by Toxiproxy's names, and of HTTP answers. Pure.

Each is added to what the proxy has, under a name of its own, and its count there is the witness: somebody must call.
"""

from __future__ import annotations

import zlib
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform
from bascule.chaos.proxy import http_faults, toxics
from bascule.chaos.proxy.protocol import ProxyStatus

Share = Annotated[float, Meta(gt=0.0, le=1.0)]


class ProxyFault(Fault, frozen=True, kw_only=True):
    """Something is wrong with what passes through a proxy."""

    NEEDS: ClassVar = frozenset({"proxy"})
    SEEN_BY: ClassVar = "the proxy counts what it did to connections that pass"
    UNDONE_BY: ClassVar = "taking it away from the proxy, whose other toxics go on"

    proxy: str

    def label(self) -> str:
        """What it is counted under: the same for the same fault, another for any other."""
        return f"injected-{zlib.crc32(msgspec.json.encode(self)):08x}"

    def bring(self, platform: Platform) -> None:
        """Add it to the proxy."""
        raise AssertionError(platform)

    def steps(self) -> tuple[str, ...]:
        """One fault."""
        fields = {each: getattr(self, each) for each in self.__struct_fields__ if each != "proxy"}
        told = ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in fields.items()
            if value != ""
        )
        return (f"{self.kind().removeprefix('proxy-')} at the proxy {self.proxy}{f': {told}' if told else ''}",)

    def ready(self, platform: Platform) -> Witness:
        """The proxy listens, and has it not yet."""
        status = platform.proxying().status(self.proxy)
        if status is None:
            return Witness(seen=False, evidence=(f"there is no proxy {self.proxy}",))
        has = self._is_there(status)
        state = "listens" if status.enabled else "is disabled"
        told = f"{self.proxy} {state}, and {'has it already' if has else 'has it not yet'}"
        return Witness(seen=status.enabled and not has and self.fits(status), evidence=(told, self._needs(status)))

    def fits(self, status: ProxyStatus) -> bool:
        """Whether such a proxy can do it."""
        return bool(status.name)

    def _needs(self, status: ProxyStatus) -> str:
        return f"it passes {status.protocol}{'' if self.fits(status) else ', and this needs a proxy made for http'}"

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Add it."""
        self.bring(platform)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - connections, not pids, are hit
        """The proxy has it, and counts what it did."""
        status = platform.proxying().status(self.proxy)
        done = None if status is None or not self._is_there(status) else status.acted.get(self.label())
        if status is None or done is None:
            return Witness(seen=False, evidence=(f"the proxy {self.proxy} has it not",))
        told = f"it acted {done.acts} times on {done.connections} connections; {status.connections} are open"
        return Witness(seen=done.acts > 0, evidence=(told,))

    def undo(self, platform: Platform) -> None:
        """Take it away."""
        platform.proxying().take_away(self.proxy, self.label())

    def undone(self, platform: Platform) -> Witness:
        """The proxy has it not; one that is gone has nothing."""
        status = platform.proxying().status(self.proxy)
        left = status is not None and self._is_there(status)
        return Witness(seen=not left, evidence=(f"the proxy {self.proxy} has it {'still' if left else 'not'}",))

    def _is_there(self, status: ProxyStatus) -> bool:
        return self.label() in {each.label for each in (*status.toxics, *status.faults)}


class ToxicFault(ProxyFault, frozen=True, kw_only=True):
    """Something is wrong with one direction of a share of the connections."""

    stream: toxics.Stream = "downstream"
    toxicity: Share = 1.0

    def toxic(self) -> toxics.AnyToxic:
        """The toxic."""
        raise AssertionError

    def bring(self, platform: Platform) -> None:
        """Add the toxic."""
        named = msgspec.structs.replace(self.toxic(), name=self.label(), stream=self.stream, toxicity=self.toxicity)
        platform.proxying().add_toxic(self.proxy, named)


class ProxyLatency(ToxicFault, frozen=True, kw_only=True, tag="proxy-latency"):
    """Bytes come later, in order, by the latency, more or less the jitter."""

    DOES: ClassVar = "holds bytes up on their way through the proxy"

    latency_s: toxics.Seconds
    jitter_s: toxics.Seconds = 0.0

    def toxic(self) -> toxics.AnyToxic:
        """A latency."""
        return toxics.Latency(latency_s=self.latency_s, jitter_s=self.jitter_s)


class ProxyBandwidth(ToxicFault, frozen=True, kw_only=True, tag="proxy-bandwidth"):
    """No more than so many bytes a second pass on each connection."""

    DOES: ClassVar = "lets no more than so many bytes a second pass through the proxy"

    rate_bytes_per_s: toxics.SomeBytes

    def toxic(self) -> toxics.AnyToxic:
        """A bandwidth."""
        return toxics.Bandwidth(rate_bytes_per_s=self.rate_bytes_per_s)


class ProxySlowClose(ToxicFault, frozen=True, kw_only=True, tag="proxy-slow-close"):
    """The end of a stream comes late; its bytes do not."""

    DOES: ClassVar = "holds the end of a connection up"

    delay_s: toxics.Seconds

    def toxic(self) -> toxics.AnyToxic:
        """A slow close."""
        return toxics.SlowClose(delay_s=self.delay_s)


class ProxyTimeout(ToxicFault, frozen=True, kw_only=True, tag="proxy-timeout"):
    """Bytes are dropped, and the connection is closed after a time; 0: it is held for ever."""

    DOES: ClassVar = "drops the bytes, and closes the connection after a time"

    timeout_s: toxics.Seconds = 0.0

    def toxic(self) -> toxics.AnyToxic:
        """A timeout."""
        return toxics.Timeout(timeout_s=self.timeout_s)


class ProxyReset(ToxicFault, frozen=True, kw_only=True, tag="proxy-reset-peer"):
    """Bytes are dropped, and both ends are reset (TCP RST) after a time; 0: at once."""

    DOES: ClassVar = "drops the bytes, and resets both ends after a time"

    timeout_s: toxics.Seconds = 0.0

    def toxic(self) -> toxics.AnyToxic:
        """A reset."""
        return toxics.ResetPeer(timeout_s=self.timeout_s)


class ProxySlicer(ToxicFault, frozen=True, kw_only=True, tag="proxy-slicer"):
    """Bytes come in small pieces, with pauses between them."""

    DOES: ClassVar = "cuts what passes into small pieces"

    average_bytes: toxics.SomeBytes
    variation_bytes: toxics.Bytes = 0
    delay_s: toxics.Seconds = 0.0

    def toxic(self) -> toxics.AnyToxic:
        """A slicer."""
        return toxics.Slicer(
            average_bytes=self.average_bytes, variation_bytes=self.variation_bytes, delay_s=self.delay_s
        )


class ProxyLimitData(ToxicFault, frozen=True, kw_only=True, tag="proxy-limit-data"):
    """A connection is closed when so many bytes have passed."""

    DOES: ClassVar = "closes each connection after so many bytes"

    size_bytes: toxics.Bytes

    def toxic(self) -> toxics.AnyToxic:
        """A limit."""
        return toxics.LimitData(bytes=self.size_bytes)


class HttpAnswerFault(ProxyFault, frozen=True, kw_only=True):
    """Something is wrong with a share of the answers to some requests; what was asked of the server is done."""

    share: Share = 1.0
    path: http_faults.Prefix = ""
    method: http_faults.Method = ""

    def fits(self, status: ProxyStatus) -> bool:
        """A proxy made for HTTP."""
        return status.protocol == "http"

    def answer(self) -> http_faults.AnyHttpFault:
        """The fault of the answer."""
        raise AssertionError

    def bring(self, platform: Platform) -> None:
        """Add the fault."""
        named = msgspec.structs.replace(
            self.answer(), name=self.label(), share=self.share, path=self.path, method=self.method
        )
        platform.proxying().add_http_fault(self.proxy, named)


class HttpStatus(HttpAnswerFault, frozen=True, kw_only=True, tag="proxy-http-status"):
    """Answers are replaced by one of this status."""

    DOES: ClassVar = "answers with another status than the server's"

    status: Annotated[int, Meta(ge=200, le=599)] = 503

    def answer(self) -> http_faults.AnyHttpFault:
        """A status."""
        return http_faults.Status(status=self.status)


class HttpCorruptBody(HttpAnswerFault, frozen=True, kw_only=True, tag="proxy-http-corrupt-body"):
    """One bit of every so many bytes of a body is wrong; its length stays true."""

    DOES: ClassVar = "turns bits in the bodies of answers"

    every_bytes: toxics.SomeBytes = 1024

    def answer(self) -> http_faults.AnyHttpFault:
        """A corruption."""
        return http_faults.CorruptBody(every_bytes=self.every_bytes)


class HttpSlowBody(HttpAnswerFault, frozen=True, kw_only=True, tag="proxy-http-slow-body"):
    """The head of an answer comes at once, its body slowly."""

    DOES: ClassVar = "lets no more than so many bytes a second of a body pass"

    rate_bytes_per_s: toxics.SomeBytes

    def answer(self) -> http_faults.AnyHttpFault:
        """A slow body."""
        return http_faults.SlowBody(rate_bytes_per_s=self.rate_bytes_per_s)


class HttpSlowAnswer(HttpAnswerFault, frozen=True, kw_only=True, tag="proxy-http-slow-answer"):
    """Answers begin late."""

    DOES: ClassVar = "holds answers up"

    delay_s: toxics.Seconds

    def answer(self) -> http_faults.AnyHttpFault:
        """A slow answer."""
        return http_faults.SlowAnswer(delay_s=self.delay_s)


class HttpCutBody(HttpAnswerFault, frozen=True, kw_only=True, tag="proxy-http-cut-body"):
    """The connection is closed after so much of a body, whatever length was announced."""

    DOES: ClassVar = "closes the connection in the middle of a body"

    after_bytes: toxics.Bytes = 0

    def answer(self) -> http_faults.AnyHttpFault:
        """A cut."""
        return http_faults.CutBody(after_bytes=self.after_bytes)


class ProxyDown(ProxyFault, frozen=True, kw_only=True, tag="proxy-down"):
    """The proxy refuses connections and has ended those that there were, as if the server behind it were down."""

    DOES: ClassVar = "refuses connections, and ends those that there are"
    SEEN_BY: ClassVar = "a connection to where the proxy listens is refused"
    UNDONE_BY: ClassVar = "letting it listen again"

    def bring(self, platform: Platform) -> None:
        """Disable it."""
        platform.proxying().disable(self.proxy)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - no pids are hit
        """It is disabled, and a connection is refused."""
        proxies = platform.proxying()
        status = proxies.status(self.proxy)
        if status is None or status.enabled:
            return Witness(
                seen=False, evidence=(f"the proxy {self.proxy} is {'gone' if status is None else 'enabled'}",)
            )
        became = proxies.knock(self.proxy)
        return Witness(seen=became == "refused", evidence=(f"a connection to {status.listen} is {became}",))

    def undo(self, platform: Platform) -> None:
        """Enable it."""
        platform.proxying().enable(self.proxy)

    def undone(self, platform: Platform) -> Witness:
        """It listens, or is gone."""
        status = platform.proxying().status(self.proxy)
        listens = status is None or status.enabled
        return Witness(seen=listens, evidence=(f"the proxy {self.proxy} {'is' if listens else 'is not'} enabled",))


PROXY_KINDS: tuple[type[Fault], ...] = (
    ProxyLatency,
    ProxyBandwidth,
    ProxySlowClose,
    ProxyTimeout,
    ProxyReset,
    ProxySlicer,
    ProxyLimitData,
    ProxyDown,
    HttpStatus,
    HttpCorruptBody,
    HttpSlowBody,
    HttpSlowAnswer,
    HttpCutBody,
)
AnyProxyFault = (
    ProxyLatency
    | ProxyBandwidth
    | ProxySlowClose
    | ProxyTimeout
    | ProxyReset
    | ProxySlicer
    | ProxyLimitData
    | ProxyDown
    | HttpStatus
    | HttpCorruptBody
    | HttpSlowBody
    | HttpSlowAnswer
    | HttpCutBody
)
