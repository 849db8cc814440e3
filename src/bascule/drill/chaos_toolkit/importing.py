"""Turns an experiment of Chaos Toolkit into one of ours as far as it goes, and says what does not go and why. Pure.

Nothing of it is run, no variable of the environment is read, no module is imported.

Source: the Chaos Toolkit's reference, "The Chaos Toolkit experiment format".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from bascule.chaos.faults.catalogue import named
from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill, PlannedFault
from bascule.kernel.errors import InputError
from bascule.system.problems import quoted

ACTIONS = "chaosbascule.actions"
PROBES = "chaosbascule.probes"
LONGEST_S = 3600.0
LONGEST_TEXT = 4096
"""In longer texts no value is put in: a small file could grow without bound."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_GIVEN_BY_DRILL = frozenset({"is_served", "is_whole", "all_witnessed", "verdict", "primary", "members"})
_KNOWN = frozenset(
    (
        *("version", "title", "description", "tags", "contributions", "extensions", "dry", "configuration", "secrets"),
        *("controls", "runtime", "steady-state-hypothesis", "method", "rollbacks"),
    )
)
_OF_ACTIVITY = frozenset(["type", "name", "provider", "tolerance", "pauses", "background", "controls", "timeout"])


class Left(Struct, frozen=True, kw_only=True):
    """Something that was not carried over: where it stands, what it is, and why not."""

    where: str
    what: str
    why: str


class Imported(Struct, frozen=True, kw_only=True):
    """What became of an experiment.

    Attributes:
        outline: What could be carried over.
        command: A command of the steady state that says by exit code 0 that all is well; empty for none.
        carried: In words: what, and as what.
        left: What was not.
    """

    outline: Outline
    command: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


def imported(document: Mapping[str, Any]) -> Imported:
    """The experiment in our words.

    Args:
        document: Bounded plain data, of any shape.

    Raises:
        InputError: Nothing in it can be carried over.
    """
    found = _Import(document)
    found.run()
    if not found.faults and not found.drills:
        told = "; ".join(f"{each.where}: {each.why}" for each in found.left[:5])
        hint = f"only actions of {ACTIONS} can be carried over"
        raise InputError(f"nothing of it is a fault of bascule: {told or 'the method is empty'}", hint=hint)
    outline = Outline(
        title=_text(document.get("title")) or "imported",
        description=_text(document.get("description")),
        faults=tuple(sorted(found.faults, key=lambda each: each.at_s)),
        drills=tuple(found.drills),
    )
    return Imported(outline=outline, command=found.command, carried=tuple(found.carried), left=tuple(found.left))


class _Import:
    """Goes through the document once, from the top."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._values: dict[str, object] = {}
        self._now_s = 0.0
        self._open: list[int] = []
        self.faults: list[PlannedFault] = []
        self.drills: list[PlannedDrill] = []
        self.command: tuple[str, ...] = ()
        self.carried: list[str] = []
        self.left: list[Left] = []

    def run(self) -> None:
        for key in sorted(set(map(str, self._document)) - _KNOWN):
            self._leave(key, "this key", "Chaos Toolkit's format does not have it")
        self._configuration()
        self._steady_state()
        self._controls()
        for where, activity in self._activities("method", self._document.get("method")):
            self._step(where, activity)
        self._end()
        self._rollbacks()

    def _leave(self, where: str, what: str, why: str) -> None:
        self.left.append(Left(where=where, what=what, why=why))

    def _configuration(self) -> None:
        configuration = self._document.get("configuration") or {}
        if not isinstance(configuration, Mapping):
            self._leave("configuration", "it", "it is no mapping")
            configuration = {}
        for name, value in configuration.items():
            if not isinstance(value, Mapping):
                self._values[str(name)] = value
            elif "default" in value:
                self._values[str(name)] = value["default"]
                why = "the environment is not read: its default is taken"
                self._leave(f"configuration.{name}", _text(value.get("type")) or "a value", why)
            else:
                self._leave(
                    f"configuration.{name}", _text(value.get("type")) or "a value", "the environment is not read"
                )
        if self._document.get("secrets"):
            self._leave("secrets", "secrets", "the lab makes its own passwords")
        strategy = _deep(self._document, "runtime", "rollbacks", "strategy")
        if strategy not in {None, "always"}:
            self._leave(
                "runtime.rollbacks", f"the strategy {quoted(_text(strategy))}", "a drill always undoes everything"
            )
        if _deep(self._document, "runtime", "hypothesis", "strategy") not in {None, "default"}:
            self._leave("runtime.hypothesis", "its strategy", "a drill measures from before the first fault to the end")

    def _controls(self) -> None:
        for at, control in enumerate(_list(self._document.get("controls"))):
            where = f"controls[{at}]"
            if _deep(control, "provider", "module") == "chaosbascule.control":
                self.carried.append(f"{where}: a drill makes its lab, undoes everything and ends it")
            else:
                self._leave(where, _name(control), "code of others is not run")

    def _steady_state(self) -> None:
        hypothesis = self._document.get("steady-state-hypothesis")
        for where, probe in self._activities("steady-state-hypothesis.probes", _deep(hypothesis, "probes")):
            provider = probe.get("provider")
            kind, module = _deep(provider, "type"), _deep(provider, "module")
            if module == PROBES and _deep(provider, "func") in _GIVEN_BY_DRILL:
                self.carried.append(f"{where}: a drill measures it, from the client's side, before, during and after")
            elif kind == "process":
                self._process_probe(where, probe)
            elif kind == "http":
                why = "a lab's network is its own: what users ask stands in the system file, workload.operations"
                self._leave(where, _name(probe), why)
            else:
                self._leave(where, _name(probe), "code of others is not run")

    def _process_probe(self, where: str, probe: Mapping[str, Any]) -> None:
        tolerance = probe.get("tolerance")
        command = self._command(probe.get("provider"))
        if tolerance != 0 or isinstance(tolerance, bool):
            self._leave(where, _name(probe), "only a command whose tolerance is exit code 0 has a counterpart")
        elif not command:
            self._leave(where, _name(probe), "its command cannot be read without a shell or its environment")
        elif self.command:
            self._leave(where, _name(probe), "an experiment asks one command of its own: put both into one")
        else:
            self.command = command
            self.carried.append(f"{where}: steady.probe, run on the lab's client: read it before you run it")

    def _command(self, provider: object) -> tuple[str, ...]:
        path, given = _deep(provider, "path"), _deep(provider, "arguments")
        if isinstance(given, Mapping):
            given = [word for pair in given.items() for word in pair]
        words = [path, *(given.split() if isinstance(given, str) else _list(given))]
        if isinstance(given, str) and re.search(r"[\"'\\$`|&;<>(){}*?]", given):
            return ()
        resolved = [self._resolved(word) for word in words]
        if not all(isinstance(word, str | int | float) and str(word) for word in resolved):
            return ()
        return tuple(str(word) for word in resolved)

    def _step(self, where: str, activity: Mapping[str, Any]) -> None:
        """One activity of the method: it takes its time, and may be a fault."""
        before_s, after_s = (self._pause(where, activity, when) for when in ("before", "after"))
        behind = activity.get("background") is True
        at_s = self._now_s + before_s
        function = _deep(activity, "provider", "func")
        spent_s = 0.0
        if _deep(activity, "provider", "module") != ACTIONS:
            self._stranger(where, activity)
        elif function == "inject":
            spent_s = self._inject(where, activity, at_s)
        elif function == "undo":
            self._undo(where, activity, at_s)
        elif function == "drill":
            self._drill(where, activity, at_s)
        elif function in {"wait_whole", "lab_up", "lab_down", "halt", "recover"}:
            self.carried.append(f"{where}: a drill does so by itself")
        else:
            self._leave(where, _name(activity), f"{ACTIONS} has no such function")
        if not behind:
            self._now_s = at_s + spent_s + after_s

    def _stranger(self, where: str, activity: Mapping[str, Any]) -> None:
        provider = activity.get("provider")
        if _deep(provider, "module") == PROBES:
            self.carried.append(f"{where}: a drill measures all the time")
        elif "ref" in activity:
            self._leave(where, quoted(_text(activity["ref"])), "a drill measures all the time: nothing is asked again")
        else:
            whose = {"process": "a command", "http": "a request"}.get(_text(_deep(provider, "type")), "code of others")
            self._leave(
                where, _name(activity), f"{whose} is not run: only a fault of bascule is seen to act and undone"
            )

    def _inject(self, where: str, activity: Mapping[str, Any], at_s: float) -> float:
        """A fault; returns for how long it holds the method up."""
        given = self._arguments(activity)
        kind, parameters = given.get("fault"), given.get("parameters") or {}
        try:
            assert isinstance(kind, str), "the fault has no name"  # noqa: S101 - told below, as what it is
            named(kind)
        except (AssertionError, InputError) as error:
            self._leave(where, _name(activity), str(error))
            return 0.0
        if not isinstance(parameters, Mapping) or any(_is_open(value) for value in parameters.values()):
            self._leave(where, _name(activity), "its parameters are no mapping, or one of them has no value here")
            return 0.0
        hold = given.get("hold_s", 0)
        hold_s = self._seconds(where, "hold_s", hold)
        fields = {str(key): value for key, value in parameters.items()}
        self.faults.append(PlannedFault(kind=kind, parameters=fields, at_s=at_s, for_s=hold_s or None))
        if not hold_s:
            self._open.append(len(self.faults) - 1)
        self.carried.append(f"{where}: {kind} at {at_s:g} s")
        return hold_s

    def _undo(self, where: str, activity: Mapping[str, Any], at_s: float) -> None:
        kind = self._arguments(activity).get("fault") or ""
        done = [at for at in self._open if kind in {"", self.faults[at].kind}]
        for at in done:
            self._close(at, at_s)
        self._open = [at for at in self._open if at not in done]
        self.carried.append(f"{where}: the end of {len(done)} of the faults, at {at_s:g} s")

    def _close(self, at: int, end_s: float) -> None:
        fault = self.faults[at]
        lasts_s = end_s - fault.at_s
        if lasts_s > 0:
            self.faults[at] = PlannedFault(kind=fault.kind, parameters=fault.parameters, at_s=fault.at_s, for_s=lasts_s)

    def _end(self) -> None:
        """What is still injected at the method's end is undone by the rollbacks, right after."""
        for at in self._open:
            self._close(at, self._now_s)
        self._open = []

    def _drill(self, where: str, activity: Mapping[str, Any], at_s: float) -> None:
        given = self._arguments(activity)
        names = [each for each in _list(given.get("experiments")) if isinstance(each, str)] or ["primary-kill"]
        trials = given.get("trials", 1)
        hold, timelines = given.get("hold", ""), given.get("timelines", "")
        self.drills.append(
            PlannedDrill(
                experiments=tuple(names),
                trials=trials if isinstance(trials, int) and 0 < trials <= 1000 else 1,
                at_s=at_s,
                hold=hold if isinstance(hold, str) else "",
                timelines=timelines if isinstance(timelines, str) else "",
            )
        )
        self.carried.append(f"{where}: a drill of its own")

    def _rollbacks(self) -> None:
        for where, activity in self._activities("rollbacks", self._document.get("rollbacks")):
            if _deep(activity, "provider", "module") == ACTIONS:
                self.carried.append(f"{where}: a drill always undoes what it injected")
            else:
                self._leave(
                    where, _name(activity), "a drill undoes its own faults; code and commands of others are not run"
                )

    def _activities(self, where: str, found: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The activities of a list, each with its place; what is none is left, and said."""
        if found is not None and not isinstance(found, list):
            self._leave(where, "it", "it is no list")
        for at, each in enumerate(_list(found)):
            if not isinstance(each, Mapping):
                self._leave(f"{where}[{at}]", quoted(_text(each)), "this is no activity")
                continue
            for key in sorted(set(map(str, each)) - _OF_ACTIVITY - {"ref"}):
                self._leave(f"{where}[{at}].{key}", "this key", "it has no counterpart")
            if each.get("controls"):
                self._leave(f"{where}[{at}].controls", "controls", "code of others is not run")
            yield f"{where}[{at}]", each

    def _arguments(self, activity: Mapping[str, Any]) -> dict[str, object]:
        given = _deep(activity, "provider", "arguments")
        return {str(key): self._resolved(value) for key, value in given.items()} if isinstance(given, Mapping) else {}

    def _resolved(self, value: object) -> object:
        """The value with what the configuration gives; what it does not give stays as it is."""
        if isinstance(value, Mapping):
            return {str(key): self._resolved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._resolved(inner) for inner in value]
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole and whole[1] in self._values:
            return self._values[whole[1]]
        return _REFERENCE.sub(lambda found: _text(self._values.get(found[1], found[0])), value)

    def _pause(self, where: str, activity: Mapping[str, Any], when: str) -> float:
        return self._seconds(f"{where}.pauses", when, _deep(activity, "pauses", when) or 0)

    def _seconds(self, where: str, what: str, value: object) -> float:
        """A number of seconds of at most an hour; 0 for anything else, which is said."""
        found = self._resolved(value)
        try:
            seconds = float(found) if isinstance(found, str | int | float) else math.nan
        except (ValueError, OverflowError):
            seconds = math.nan
        if not 0 <= seconds <= LONGEST_S:
            self._leave(where, f"{what}: {quoted(_text(value))}", f"it is no number of seconds, 0 to {LONGEST_S:g}")
            return 0.0
        return seconds


def _is_open(value: object) -> bool:
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def _deep(found: object, *keys: str) -> object:
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(found: object) -> str:
    return "" if found is None else str(found)[:200]


def _name(activity: object) -> str:
    return quoted(_text(_deep(activity, "name")) or "an activity without a name")
