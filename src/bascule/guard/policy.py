"""What every policy is, and how one or several of them guard a call."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, TypeVar, cast, overload

from bascule.guard.errors import CallRefusedError
from bascule.guard.loom import Lines, Loom, names_of
from bascule.guard.shapes import AnyCallable, NotGuardableError, Shape, rewrap, shape_of
from bascule.guard.stream import FACTS, Stream, facts_module
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError

if TYPE_CHECKING:
    from bascule.guard.facts import GuardFact

P = ParamSpec("P")
R = TypeVar("R")
V_co = TypeVar("V_co", covariant=True)

_WRAPPED = tuple(name for name in functools.WRAPPER_ASSIGNMENTS)


class Home:
    """Where a policy lives: the name it tells its facts under, and the world it sees."""

    __slots__ = ("facts", "is_named", "name", "world")

    def __init__(self, name: str, world: World = REAL, facts: Stream = FACTS, *, is_named: bool = True) -> None:
        self.name = name
        self.is_named = is_named
        self.world = world
        self.facts = facts

    def tell(self, kind: str | type[GuardFact], /, **values: object) -> None:
        """Tell a fact, if anybody listens.

        Args:
            kind: The name of a fact of `bascule.guard.facts`, so that its class is made only where it is wanted: all of
                them together would be a tenth of importing the room. `tests/unit/guard/test_guard_facts.py` holds
                every name, and the values that go with it, to what there is. Other facts are given as their class.
            values: What it says.
        """
        if self.facts.is_heard:
            make: Callable[..., GuardFact] = getattr(facts_module(), kind) if isinstance(kind, str) else kind
            self.facts.tell(make(at_s=self.world.now_s(), guard=self.name, **values))


class Block(contextlib.AbstractContextManager[None], contextlib.AbstractAsyncContextManager[None]):
    """The block of one `with` or `async with` statement, guarded. It is entered once."""

    def __init__(self, guarding: Guarding[Any]) -> None:
        self._guarding = guarding
        self._is_used = False
        self._sync: contextlib.AbstractContextManager[None] | None = None
        self._async: contextlib.AbstractAsyncContextManager[None] | None = None

    def __enter__(self) -> None:
        """Enter the block, or raise what refuses it."""
        self._use()
        self._sync = contextlib.contextmanager(self._guarding.guarded(_block, block=True))()
        self._sync.__enter__()

    def _use(self) -> None:
        if self._is_used:
            raise RuntimeError("a guarded block is entered once: ask for another one with .block()")
        self._is_used = True

    def __exit__(self, *raised: object) -> bool | None:
        """Leave the block; what was raised in it counts, and is raised on."""
        return cast("bool | None", cast("Any", self._sync).__exit__(*raised)) if self._sync is not None else None

    async def __aenter__(self) -> None:
        """Enter the block, or raise what refuses it."""
        self._use()
        self._async = contextlib.asynccontextmanager(self._guarding.guarded(_block_async, block=True))()
        await self._async.__aenter__()

    async def __aexit__(self, *raised: object) -> bool | None:
        """Leave the block; what was raised in it counts, and is raised on."""
        return (
            cast("bool | None", await cast("Any", self._async).__aexit__(*raised)) if self._async is not None else None
        )


def _block() -> Iterator[None]:
    yield


async def _block_async() -> AsyncIterator[None]:
    yield


class Guarding(Generic[V_co]):
    """Guards calls with a chain of policies: as a decorator, for one call, or for a block.

    `V_co` is the type of what the chain may give instead of a result.
    """

    def chain(self) -> tuple[Policy[Any], ...]:
        """The policies, outermost first."""
        raise TypeError(f"{type(self).__name__} does not say which policies it has")

    @overload
    def __call__(self, call: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R | V_co]]: ...
    @overload
    def __call__(self, call: Callable[P, R]) -> Callable[P, R | V_co]: ...
    def __call__(self, call: Any) -> Any:
        """The guarded form of a function, coroutine function, generator function, method, partial or callable object.

        Raises:
            NotGuardableError: This shape can't be guarded by one of the policies, which the message names.
        """
        return self.guarded(call)

    @overload
    def call(
        self, call: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R | V_co]: ...
    @overload
    def call(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R | V_co: ...
    def call(self, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call it once, guarded. For a coroutine function this gives the coroutine to await."""
        return self._factory(shape_of(call), block=False)(call)(*args, **kwargs)

    def block(self) -> Block:
        """A guarded block: `with guard.block():` or `async with guard.block():`.

        Raises, when the block is entered:
            NotGuardableError: A policy of this chain would have to run the block again, or interrupt it.
        """
        return Block(self)

    def guarded(self, call: AnyCallable, *, block: bool = False) -> AnyCallable:
        """What `__call__` gives, for callables whose type is not known."""
        again = rewrap(call, self.guarded)
        if again is not None:
            return cast("AnyCallable", again)
        made = self._factory(shape_of(call), block=block)(call)
        functools.update_wrapper(made, call, assigned=_WRAPPED, updated=())
        with contextlib.suppress(AttributeError):  # partials and callable objects have other attributes, or none
            made.__dict__.update(vars(call) if hasattr(call, "__code__") else {})
        made.__dict__["__wrapped__"] = call
        return made

    def _factory(self, shape: Shape, *, block: bool) -> Callable[[AnyCallable], AnyCallable]:
        factories: dict[tuple[Shape, bool], Callable[[AnyCallable], AnyCallable]]
        factories = self.__dict__.setdefault("_factories", {})
        made = factories.get((shape, block))
        if made is None:
            made = factories[shape, block] = self._weave(shape, block=block)
        return made

    def _weave(self, shape: Shape, *, block: bool) -> Callable[[AnyCallable], AnyCallable]:
        chain = self.chain()
        for policy in chain:
            policy.refuse_shape(shape, block=block)
        loom = Loom(shape, block=block)
        lines = loom.innermost()
        for policy in reversed(chain):
            lines = policy.weave_call(loom, lines, chain)
        for policy in reversed(chain):
            lines = policy.weave(loom, lines)
        return loom.compile(lines, names_of(chain))


class Policy(Guarding[V_co]):
    """One way to guard a call. Its options are the fields of its dataclass, and are checked when it is made.

    A policy keeps its state (a circuit, taken slots, recent latencies) to itself: one policy in two guards is shared
    by both.
    """

    refused_shapes: ClassVar[Mapping[Shape, str]] = {}
    refused_block: ClassVar[str] = ""
    woven_options: ClassVar[frozenset[str]] = frozenset()
    ends_calls: ClassVar[bool] = False
    replaces_call: ClassVar[bool] = False
    _home: Home | None = None

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """The text of this policy around `inner`."""
        raise TypeError(f"{type(self).__name__} does not say how it is woven into a call")

    def order_name(self) -> str:
        """What this policy is, where the order of a chain is checked."""
        return type(self).__name__

    def longest_s(self) -> float | None:
        """How long this policy lets a call run, in seconds; None if it does not say."""
        return None

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """The text of this policy right around the call itself, inside of every other of the chain; none as a rule."""
        return inner

    def chain(self) -> tuple[Policy[Any], ...]:
        """This policy alone."""
        return (self,)

    @property
    def home(self) -> Home:
        """Where this policy lives: its first guard, or a home of its own."""
        if self._home is None:
            self._home = Home(type(self).__name__, is_named=False)
        return self._home

    def check_home(self, home: Home) -> None:
        """Hold a guard's home to be one that this policy can live in.

        Raises:
            InputError: It lives in another world, or tells its facts elsewhere.
        """
        if self._home is not None and (self._home.world is not home.world or self._home.facts is not home.facts):
            raise InputError(
                f"{type(self).__name__} was used in {self._home.name!r} with another world or stream of facts",
                hint="make a policy of its own for each",
            )

    def move_in(self, home: Home) -> None:
        """Live in a guard's home, unless this policy lives elsewhere already."""
        if self._home is None:
            self._home = home
        elif not self._home.is_named:
            self._home.name, self._home.is_named = home.name, True

    def refuse_shape(self, shape: Shape, *, block: bool) -> None:
        """Refuse what this policy cannot guard.

        Raises:
            NotGuardableError: It cannot guard this shape.
        """
        why = self.refused_block if block else self.refused_shapes.get(shape, "")
        if why:
            raise self.not_guardable("the block of a with statement" if block else f"a {shape.value}", why)

    def not_guardable(self, what: str, why: str) -> NotGuardableError:
        """The error that says what this policy cannot guard, and why."""
        return NotGuardableError(f"{type(self).__name__} cannot guard {what}: {why}")

    def options(self) -> dict[str, Any]:
        """What this policy was told, by name."""
        return {field.name: getattr(self, field.name) for field in fields(cast("Any", self)) if field.init}

    def reconfigure(self, **changes: Any) -> None:  # noqa: ANN401 - checked by making the policy again
        """Change options while calls run; what the policy has learned and counted stays.

        Raises:
            InputError: An option is unknown or impossible, or cannot change while calls run. Nothing is changed then.
        """
        fresh = self.check_changes(changes)
        for name, value in fresh.options().items():
            setattr(self, name, value)
        self.reconfigured()

    def check_changes(self, changes: Mapping[str, Any]) -> Self:
        """A policy of its own with these changes, made to see whether they are possible.

        Raises:
            InputError: An option is unknown or impossible, or cannot change while calls run.
        """
        told = self.options()
        for name, value in changes.items():
            if name not in told:
                raise InputError(f"{type(self).__name__} has no option {name!r}", hint=f"it has: {', '.join(told)}")
            if name in self.woven_options and bool(told[name]) != bool(value):
                raise InputError(
                    f"{type(self).__name__}.{name} cannot be switched on or off while calls run",
                    hint="make a new policy, and guard the functions with it",
                )
        return type(self)(**{**told, **changes})

    def reconfigured(self) -> None:
        """Take over changed options into the state. Called by `reconfigure`."""

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows of this policy now: plain numbers and words."""
        return {}

    def refusal(self, error: CallRefusedError) -> CallRefusedError:
        """Tell that a call is refused; gives the error back, to be raised."""
        home = self.home
        if home.facts.is_heard:
            home.tell("CallRefused", policy=type(self).__name__)
        return error
