"""Which technologies there are: each is a folder here with a `READER` and `RULES`, imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from typing import Protocol, cast

from bascule.audit.estate import Reader
from bascule.audit.rule import Rule
from bascule.kernel.errors import InputError
from bascule.system.problems import did_you_mean

NAMES = ("files", "system", "kubernetes", "haproxy", "patroni", "keepalived", "kafka", "prometheus", "compose")


class Technology(Protocol):
    """What the folder of a technology has."""

    READER: Reader
    RULES: tuple[Rule, ...]


@cache
def technology(name: str) -> Technology:
    """The technology of this name.

    Raises:
        ModuleNotFoundError: There is none.
    """
    return cast("Technology", importlib.import_module(f"bascule.audit.{name}"))


@cache
def names() -> tuple[str, ...]:
    """The technologies that are there, in a fixed order."""
    return tuple(name for name in NAMES if find_spec(f"bascule.audit.{name}") is not None)


def readers() -> tuple[Reader, ...]:
    """The readers of all technologies, in their fixed order: the first that recognises a file has it."""
    return tuple(technology(name).READER for name in names())


def rules() -> tuple[Rule, ...]:
    """All rules of all technologies, by their ids."""
    return tuple(sorted((rule for name in names() for rule in technology(name).RULES), key=lambda one: one.id))


def rule_of(id_: str) -> Rule:
    """The rule with this id, written in any case.

    Raises:
        InputError: There is none.
    """
    known = {one.id: one for one in rules()}
    wanted = id_.strip().upper()
    if wanted not in known:
        hint = did_you_mean(wanted, known) or "`bascule audit --list` lists them"
        raise InputError(f"there is no rule {id_!a}", hint=hint)
    return known[wanted]


def chosen(only: Iterable[str] = (), skipped: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules that are asked for: those of `only`, all where it is empty, without those of `skipped`.

    Raises:
        InputError: An id that no rule has.
    """
    wanted = {rule_of(one).id for one in only}
    unwanted = {rule_of(one).id for one in skipped}
    return tuple(rule for rule in rules() if rule.id not in unwanted and (not wanted or rule.id in wanted))
