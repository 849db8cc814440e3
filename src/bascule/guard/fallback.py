"""Something else instead of an error: a value, another provider's answer, or what was right a while ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Never, TypeVar, cast, overload

from bascule.guard.checks import Kinds, callable_or_none, error_kinds, refuse, seconds, whole
from bascule.guard.keys import key_of, with_callable
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy, V_co
from bascule.guard.shapes import NotGuardableError, Shape, shape_of

_STREAM = "what it gave so far cannot be taken back; guard the call that opens it"

INSTEAD = """
try:
    $inner
except Exception as $error:
    if not $is_wanted($error):
        raise
    result = $wait $instead($error, args, kwargs)
"""
STALE = """
$key = $key_of(call, args, kwargs)
try:
    $inner
except Exception as $error:
    if not $is_wanted($error):
        raise
    result = $stale($error, $key)
    if result is $missing:
        raise
else:
    $keep(result, $key)
"""


class _Missing:
    """Stands for an option that was not given, since None is a value too."""

    def __repr__(self) -> str:
        """As it is read in a signature."""
        return "..."


MISSING: Any = _Missing()
StaleT = TypeVar("StaleT")
Wanted = Callable[[Exception], bool]
Key = Callable[..., Hashable]


@dataclass(frozen=True, slots=True)
class Stale(Generic[StaleT]):
    """A result that was right `age_s` seconds ago."""

    value: StaleT
    age_s: float


@dataclass(eq=False)
class Fallback(Policy[V_co]):
    """A call that fails gives something else instead. One of `value`, `function`, `provider` and `stale_s` says what.

    Only errors under `Exception` are ever replaced: cancellation, Ctrl-C and the end of the program pass.

    Attributes:
        value: This.
        function: What this function makes of the error. It may be a coroutine function where the call is one.
        provider: What this one gives for the same arguments. For several, put one fallback around the other.
        stale_s: The last result for the same arguments, if it is at most so many seconds old; else the error is raised.
        on: Exception types, or a function that says of an error whether it may be replaced.
        mark: Makes of a stale value and its age in seconds what is given, `Stale` for one; None for the value alone.
        key: Makes a key of a call's arguments, for stale results; None for the arguments themselves.
        most: Stale results that are kept at most; those not used for longest go.
    """

    value: V_co = MISSING
    _: KW_ONLY
    function: Callable[[Exception], V_co | Coroutine[Any, Any, V_co]] | None = None
    provider: Callable[..., V_co | Coroutine[Any, Any, V_co]] | None = None
    stale_s: float | None = None
    on: Kinds | Wanted = Exception
    mark: Callable[[Any, float], V_co] | None = None
    key: Key | None = None
    most: int = 1000

    refused_shapes = {Shape.GENERATOR: _STREAM, Shape.ASYNC_GENERATOR: _STREAM}  # noqa: RUF012 - nobody writes to it
    refused_block: ClassVar[str] = "a block has no result that could be replaced; guard a function"
    woven_options: ClassVar[frozenset[str]] = frozenset({"function", "provider", "stale_s"})

    if TYPE_CHECKING:  # what is given decides which value may come out; at run time the dataclass's own is there

        @overload
        def __init__(self, value: V_co, *, on: Kinds | Wanted = ...) -> None: ...
        @overload
        def __init__(
            self, *, function: Callable[[Exception], Coroutine[Any, Any, V_co]], on: Kinds | Wanted = ...
        ) -> None: ...
        @overload
        def __init__(self, *, function: Callable[[Exception], V_co], on: Kinds | Wanted = ...) -> None: ...
        @overload
        def __init__(self, *, provider: Callable[..., Coroutine[Any, Any, V_co]], on: Kinds | Wanted = ...) -> None: ...
        @overload
        def __init__(self, *, provider: Callable[..., V_co], on: Kinds | Wanted = ...) -> None: ...
        @overload
        def __init__(
            self: Fallback[Never], *, stale_s: float, on: Kinds | Wanted = ..., key: Key | None = ..., most: int = ...
        ) -> None: ...
        @overload
        def __init__(
            self,
            *,
            stale_s: float,
            mark: Callable[[Any, float], V_co],
            on: Kinds | Wanted = ...,
            key: Key | None = ...,
            most: int = ...,
        ) -> None: ...
        def __init__(self, value: Any = ..., **options: Any) -> None: ...

    def __post_init__(self) -> None:
        given = [
            name
            for name in ("value", "function", "provider", "stale_s")
            if getattr(self, name) is not (MISSING if name == "value" else None)
        ]
        if len(given) != 1:
            rule = "one of value, function, provider, stale_s, and no more"
            raise refuse(self, "value", ", ".join(given) or "nothing", rule)
        for name in ("function", "provider", "mark", "key"):
            callable_or_none(self, name)
        seconds(self, "stale_s", optional=True)
        for name in ("mark", "key"):
            if getattr(self, name) is not None and self.stale_s is None:
                raise refuse(self, name, getattr(self, name), "left out without stale_s")
        error_kinds(self, "on")
        whole(self, "most", least=1)
        self.kind = {"stale_s": "stale"}.get(given[0], given[0])
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()
        self._lock = threading.RLock()
        self._used = 0

    def order_name(self) -> str:
        """A fallback for some errors only, or for what is not too old, may stand anywhere."""
        return "Fallback" if self.on is Exception and self.kind != "stale" else "partial Fallback"

    def _is_wanted(self, error: Exception) -> bool:
        on = self.on
        if isinstance(error, NotGuardableError):
            return False
        return isinstance(error, on) if isinstance(on, type | tuple) else bool(on(error))

    def _tell(self, error: Exception, age_s: float | None = None) -> None:
        self._used += 1
        self.home.tell("FallbackUsed", kind=self.kind, error=type(error).__name__, age_s=age_s)

    def _value(self, error: Exception, args: object, kwargs: object) -> object:
        self._tell(error)
        return self.value

    def _made(self, error: Exception, args: object, kwargs: object) -> object:
        self._tell(error)
        return cast("Callable[[Exception], object]", self.function)(error)

    def _provided(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        self._tell(error)
        return cast("Callable[..., object]", self.provider)(*args, **kwargs)

    def _key_of(self, call: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        return with_callable(call, key_of(self, self.key, args, kwargs))

    def _stale(self, error: Exception, key: Hashable) -> object:
        with self._lock:
            at_s, value = self._kept.get(key, (0.0, MISSING))
        age_s = self.home.world.now_s() - at_s
        if value is MISSING or age_s > cast("float", self.stale_s):
            return MISSING
        self._tell(error, age_s)
        return value if self.mark is None else self.mark(value, age_s)

    def _keep(self, result: object, key: Hashable) -> None:
        with self._lock:
            self._kept[key] = (self.home.world.now_s(), result)
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Something else where an error comes out."""
        if self.kind == "stale":
            return loom.text(
                STALE, inner, key_of=self._key_of, is_wanted=self._is_wanted, stale=self._stale, missing=MISSING,
                keep=self._keep,
            )  # fmt: skip
        choices = {"value": self._value, "function": self._made, "provider": self._provided}
        other = self.function if self.function is not None else self.provider
        shape = Shape.FUNCTION if other is None or isinstance(other, type) else shape_of(other)
        if shape.is_stream or (shape.is_async and not loom.is_async):
            article = "an" if shape is Shape.ASYNC_GENERATOR else "a"
            raise NotGuardableError(
                f"Fallback.{self.kind} is {article} {shape.value}, and cannot stand in for a {loom.shape.value}",
                hint="give a plain function",
            )
        text = INSTEAD.replace("$wait ", "await " if shape.is_async else "")
        return loom.text(text, inner, is_wanted=self._is_wanted, instead=choices[self.kind])

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        shown: dict[str, object] = {"kind": self.kind, "used": self._used}
        return {**shown, "kept": len(self._kept)} if self.kind == "stale" else shown
