"""What kind of callable is guarded: each kind is guarded in its own way, and what cannot be guarded is refused."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from typing import Any, cast

from bascule.kernel.errors import InputError

AnyCallable = Callable[..., Any]


@contextlib.contextmanager
def _managed() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def _managed_async() -> AsyncIterator[None]:
    yield


MANAGED = {cast("Any", _managed).__code__: contextlib.contextmanager}
MANAGED_ASYNC = {cast("Any", _managed_async).__code__: contextlib.asynccontextmanager}
"""The code of the function that contextlib makes of a generator function, and what makes it."""
LAZY = (
    types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType, type(_managed()), type(_managed_async()),
)  # fmt: skip
"""What does its work later: when it is awaited, read or entered."""


class Shape(Enum):
    """How a callable gives its results."""

    FUNCTION = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "async generator function"

    @property
    def is_async(self) -> bool:
        """Whether it runs in an event loop."""
        return self in {Shape.COROUTINE, Shape.ASYNC_GENERATOR}

    @property
    def is_stream(self) -> bool:
        """Whether it gives its results one by one."""
        return self in {Shape.GENERATOR, Shape.ASYNC_GENERATOR}


class NotGuardableError(InputError, TypeError):
    """This can't be guarded: refused when it is decorated, or at each call where only that can tell.

    No policy deals with it: it is neither tried again nor replaced, and no failure of the dependency.
    """


def shape_of(call: AnyCallable) -> Shape:
    """The shape of a function, method, partial or callable object.

    Raises:
        NotGuardableError: It is not callable, or a class.
    """
    while isinstance(call, functools.partial):
        call = call.func
    if isinstance(call, type):
        raise NotGuardableError(
            f"the class {call.__qualname__} would become a function", hint="guard a function that makes one"
        )
    if not callable(call):
        raise NotGuardableError(f"{call!r} cannot be called", hint="guard a function, a method or a callable object")
    is_marked = inspect.iscoroutinefunction(call)
    if not is_marked and not isinstance(call, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        call = type(call).__call__
    if is_marked or inspect.iscoroutinefunction(call):
        return Shape.COROUTINE
    if inspect.isasyncgenfunction(call):
        return Shape.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(call):
        return Shape.GENERATOR
    return Shape.FUNCTION


def rewrap(call: object, guard: Callable[[AnyCallable], AnyCallable]) -> object | None:
    """Guard what stands inside a wrapper that must stay outside: None when `call` is no such wrapper.

    `staticmethod`, `classmethod`, and functions and methods made by `contextlib.contextmanager` and
    `asynccontextmanager`.
    """
    if isinstance(call, staticmethod | classmethod):
        return type(call)(guard(call.__func__))
    if isinstance(call, property):
        raise NotGuardableError("a property cannot be guarded", hint="guard the function under it")
    function = call.__func__ if isinstance(call, types.MethodType) else call
    if isinstance(function, types.FunctionType):
        wrap: AnyCallable | None = MANAGED.get(function.__code__) or MANAGED_ASYNC.get(function.__code__)
        if wrap is not None:
            wrapped = vars(function)["__wrapped__"]
            if isinstance(call, types.MethodType):
                wrapped = types.MethodType(wrapped, call.__self__)
            return cast("object", wrap(guard(wrapped)))
    return None


class Results:
    """Notices a plain function whose result is still to be worked for, which would leave that work unguarded.

    The types of results that were seen to be plain are remembered, so that looking costs next to nothing.
    """

    MOST = 256

    def __init__(self) -> None:
        self.plain: set[type] = {type(None), bool, int, float, str, bytes, list, dict, tuple}

    def check(self, result: object, call: AnyCallable) -> None:
        """Remember the type of `result` as plain.

        Raises:
            NotGuardableError: It is awaitable, a generator, or a generator's context manager.
        """
        kind = type(result)
        if issubclass(kind, LAZY) or hasattr(kind, "__await__"):
            if isinstance(result, types.CoroutineType):
                result.close()
            name = getattr(call, "__qualname__", repr(call))
            raise NotGuardableError(
                f"{name} is a plain function that returned a {kind.__name__}, whose work would go unguarded",
                hint="guard the coroutine, generator or context manager function itself, or wrap it in `async def`",
            )
        if len(self.plain) < self.MOST:
            self.plain.add(kind)
