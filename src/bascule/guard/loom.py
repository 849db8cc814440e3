"""Weaves the policies of a guard into the text of one function, and compiles it.

Each policy gives a few lines of text around `$inner`, in which it asks its own methods for decisions; all decisions
are made there, in ordinary Python. What is woven is only the way through them: one text serves plain functions and
coroutines, in which `$await` is nothing or `await`. Names that a policy binds become cells of a factory, which makes
a guarded function from a plain one:

    def weave(call, admit_1, sleep_2, ...):
        def guarded(*args, **kwargs):
            ...
            return result
        return guarded

The text comes from the policies' own source alone, never from input. It is registered with `linecache`, so tracebacks
show it.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import string
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from bascule.guard.shapes import AnyCallable, Results, Shape

Lines = list[str]
_serial = itertools.count(1)

_INNERMOST = {
    Shape.FUNCTION: """
        result = $call($args)
        if type(result) not in $plain:
            $check(result, $call)
    """,
    Shape.COROUTINE: """
        result = await $call($args)
    """,
    Shape.GENERATOR: """
        $items = $call($args)
        try:
            $item = $next($items)
            started = True
            while True:
                try:
                    $sent = yield $item
                except GeneratorExit:
                    $items.close()
                    raise
                except BaseException as $thrown:
                    $item = $items.throw($thrown)
                else:
                    $item = $items.send($sent)
        except StopIteration as $stop:
            result = $stop.value
    """,
    Shape.ASYNC_GENERATOR: """
        $items = $call($args)
        try:
            $item = await $next($items)
            started = True
            while True:
                try:
                    $sent = yield $item
                except GeneratorExit:
                    await $items.aclose()
                    raise
                except BaseException as $thrown:
                    $item = await $items.athrow($thrown)
                else:
                    $item = await $items.asend($sent)
        except StopAsyncIteration:
            result = None
    """,
}


class Loom:
    """The text of one guarded function, as it grows from the inside out.

    Inside, `args` and `kwargs` are what the call was given, `call` is what is guarded, `result` is what it gave, and
    `started` says whether a stream has given its first item.

    Args:
        shape: What is guarded.
        block: Whether it is the block of a `with` statement, which cannot be run a second time.
    """

    def __init__(self, shape: Shape, *, block: bool = False) -> None:
        self.shape = shape
        self.block = block
        self.is_async = shape.is_async
        self._bound: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def innermost(self) -> Lines:
        """The call itself."""
        results = Results()
        step = anext if self.shape is Shape.ASYNC_GENERATOR else next
        text = _INNERMOST[self.shape].replace("$call", "call").replace("$args", "*args, **kwargs")
        return self.text(text, [], plain=results.plain, check=results.check, next=step)

    def bind(self, hint: str, value: object) -> str:
        """The name under which the woven text reaches `value`."""
        name = f"{hint}_{next(self._numbers)}"
        self._bound[name] = value
        return name

    def text(self, template: str, inner: Lines, **values: object) -> Lines:
        """The template's lines, with `$inner` replaced by lines and each other `$name` by a name of its own.

        Args:
            template: Indented as it pleases; `$inner` stands alone on its line.
            inner: What is wrapped.
            values: What `$name` stands for in the running function. A name without a value is a local variable.
        """
        names = {name: self.bind(name, value) for name, value in values.items()}
        names["await"] = "await " if self.is_async else ""
        names["def"] = "async def" if self.is_async else "def"
        lines: Lines = []
        number = next(self._numbers)
        for line in textwrap.dedent(template).strip().splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            if line.strip() == "$inner":
                lines.extend(indent + one for one in inner)
                continue
            for wanted in string.Template(line).get_identifiers():
                names.setdefault(wanted, f"{wanted}_{number}")
            lines.append(string.Template(line).substitute(names))
        return lines

    def compile(self, lines: Lines, name: str) -> Callable[[AnyCallable], AnyCallable]:
        """A factory that makes guarded functions of this shape.

        Args:
            lines: What was woven; it leaves what is to be returned in `result`.
            name: How the guard is called in tracebacks.
        """
        start = ["started = False"] if self.shape.is_stream else []
        end = [] if self.shape is Shape.ASYNC_GENERATOR else ["return result"]
        body = [*start, *lines, *end]
        head = f"{'async def' if self.is_async else 'def'} guarded(*args, **kwargs):"
        source = "\n".join([
            f"def weave({', '.join(['call', *self._bound])}):",
            f"    {head}",
            *(f"        {line}" for line in body),
            "    return guarded",
            "",
        ])  # fmt: skip
        weave = _woven(source, f"<bascule guard {name}, {self.shape.value}>")
        bound = tuple(self._bound.values())

        def make(call: AnyCallable) -> AnyCallable:
            made: AnyCallable = weave(call, *bound)
            return made

        return make


@functools.cache
def _woven(source: str, about: str) -> AnyCallable:
    """The factory that a text stands for. Guards with the same policies have the same text, and share its code."""
    filename = f"{about[:-1]}, {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - the text is our own, no input is in it
    weave: AnyCallable = namespace["weave"]
    return weave


def names_of(policies: Iterable[object]) -> str:
    """The policies' names, outermost first, as an operator reads them."""
    return " > ".join(type(policy).__name__ for policy in policies)
