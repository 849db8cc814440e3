"""Reads an allow-list: strict YAML in a file that nobody else can have written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from bascule.chaos.faults.catalogue import named
from bascule.kernel.errors import InputError
from bascule.outside import trust
from bascule.outside.allowance import EVERY_FAULT, Rule
from bascule.system import document
from bascule.system.document import Mapping, Node, Scalar
from bascule.system.problems import SystemFileError


def standard() -> Path:
    """Where the allow-list is when none is named."""
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    return (
        Path(configuration) if configuration.startswith("/") else Path("~/.config").expanduser()
    ) / "bascule/targets.yaml"


def load(path: Path | None) -> tuple[Rule, ...]:
    """The rules of an allow-list.

    Args:
        path: None is the standard place.

    Raises:
        InputError: There is none, somebody else could have written it, or it is wrong; with its place.
    """
    chosen = path or standard()
    if not chosen.exists():
        hint = "what is outside the lab is broken only if a list allows it: docs/targets.md"
        raise InputError("there is no allow-list", where=str(chosen), hint=hint)
    read = document.read(trust.read(chosen), str(chosen))
    if read.problems:
        raise SystemFileError(read.problems)
    whole = _plain(read.root)
    if not isinstance(whole, dict) or set(whole) != {"targets"} or not isinstance(whole["targets"], list):
        raise InputError(
            "an allow-list is one list, `targets`", where=f"{chosen}:1", hint="docs/targets.md has an example"
        )
    return tuple(
        _rule(one, read.positions.at(f"targets[{number}]"), chosen.parent)
        for number, one in enumerate(whole["targets"])
    )


def _rule(told: object, where: str, folder: Path) -> Rule:
    try:
        rule = msgspec.convert(told, Rule)
        for name in rule.faults:
            _ = name == EVERY_FAULT or named(name)
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=where) from error
    except InputError as error:
        raise InputError(error.what, where=where, hint=error.hint) from error
    if what := rule.problem():
        raise InputError(what, where=where)
    if rule.ssh_config:
        config = folder / Path(rule.ssh_config).expanduser()
        trust.read(config)
        rule = msgspec.structs.replace(rule, ssh_config=str(config.absolute()))
    return rule


def _plain(node: Node) -> Any:  # noqa: ANN401 - whatever YAML can say
    if isinstance(node, Scalar):
        return node.value()
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.entries.items()}
    return [_plain(one) for one in node.items]
