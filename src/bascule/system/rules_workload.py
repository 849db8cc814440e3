"""What must hold of the load that drills offer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule.kernel.quantities import Duration, Rate
from bascule.system.model import Operation, System, Workload
from bascule.system.problems import Finding, did_you_mean

MAX_RATE = Rate(20_000.0)
MAX_DEADLINE = Duration(60.0)
BUILT_IN = ("number", "client")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CAPTURE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(system: System) -> Iterator[Finding]:
    """Everything in the workload that contradicts itself or the system."""
    workload = system.workload
    if workload.through not in system.components:
        what = f"unknown component {workload.through!r}"
        hint = did_you_mean(workload.through, system.components)
        yield Finding("workload.through", what, hint, because=("components",))
    if not 0 < workload.rate.per_s <= MAX_RATE.per_s:
        yield Finding("workload.rate", f"{workload.rate} cannot be offered", f"more than 0/s, up to {MAX_RATE}")
    if not 0 < workload.deadline.seconds <= MAX_DEADLINE.seconds:
        yield Finding("workload.deadline", f"{workload.deadline} is no deadline", f"more than 0s, up to {MAX_DEADLINE}")
    if workload.protocol == "http":
        yield from _http(workload)
    else:
        yield from _without_http(workload)


def _without_http(workload: Workload) -> Iterator[Finding]:
    given = {"session": workload.session, "operations": workload.operations, "audit": workload.audit}
    for name, value in given.items():
        if value:
            hint = "remove it, or say protocol: http"
            yield Finding(f"workload.{name}", f"means nothing with protocol: {workload.protocol}", hint)


def _http(workload: Workload) -> Iterator[Finding]:
    because = ("workload.protocol",)
    if not workload.audit.startswith("/"):
        hint = 'the GET path that answers {"numbers": [...]}, like audit: /audit'
        what = "is missing" if not workload.audit else f"{workload.audit!r} is no path"
        yield Finding("workload.audit", what, hint, because=because)
    if not workload.operations:
        hint = "add operations:, a list like [{name: create, method: POST, path: /tasks, writes: true}]"
        yield Finding("workload.operations", "http needs at least one operation", hint, because=because)
    elif not any(operation.writes for operation in workload.operations):
        hint = "say writes: true where an acknowledgement promises that {number} is stored"
        yield Finding("workload.operations", "not one operation writes", hint, because=because)
    captured = [name for operation in workload.operations for name in operation.capture]
    known = (*BUILT_IN, *captured)
    told = ("workload.operations", *(f"workload.operations[{at}].capture" for at in range(len(workload.operations))))
    seen: set[str] = set()
    for number, operation in enumerate(workload.operations):
        here = f"workload.operations[{number}]"
        if operation.name in seen:
            yield Finding(f"{here}.name", f"a second operation is called {operation.name!r}", "names are unique")
        seen.add(operation.name)
        yield from _operation(here, operation, known, told)
    if workload.session is not None:
        yield from _placeholders("workload.session.path", workload.session.path, BUILT_IN)
        yield from _placeholders("workload.session.body", workload.session.body, BUILT_IN)


def _operation(here: str, operation: Operation, known: tuple[str, ...], told: tuple[str, ...]) -> Iterator[Finding]:
    yield from _placeholders(f"{here}.path", operation.path, known, told)
    yield from _placeholders(f"{here}.body", operation.body, known, told)
    if operation.writes and "{number}" not in operation.path + operation.body:
        hint = "put {number} into its path or body: the checkers look for it"
        because = (f"{here}.path", f"{here}.body")
        yield Finding(f"{here}.writes", "it writes, but does not send its number", hint, because=because)
    for name in operation.capture:
        if name in BUILT_IN or not _CAPTURE.fullmatch(name):
            hint = "letters, digits and underscores; not number or client"
            yield Finding(f"{here}.capture.{name}", f"{name!r} is no name for a captured value", hint)


def _placeholders(at: str, text: str, known: tuple[str, ...], told: tuple[str, ...] = ()) -> Iterator[Finding]:
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            what = f"no operation captures {name!r}"
            yield Finding(at, what, did_you_mean(name, known), because=told)
