"""Reads somebody else's experiment of Chaos Toolkit: bounded, never run, every refusal with its place. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from bascule.kernel.errors import InputError
from bascule.system import document
from bascule.system.document import MAX_DEPTH, MAX_NODES, Mapping, Node, Scalar

MAX_BYTES = document.MAX_BYTES


def read(text: bytes, name: str, *, is_json: bool) -> dict[str, Any]:
    """The experiment as plain data.

    Args:
        text: Of the file.
        name: What messages call it.
        is_json: JSON; otherwise YAML, without anchors, aliases and tags.

    Raises:
        InputError: It is too large, too deep, not readable, or no mapping.
        SystemFileError: It is no YAML; with every problem at its place.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 20} MiB", where=name, hint="an experiment is a few kB")
    found = _json(text, name) if is_json else _yaml(text, name)
    if not isinstance(found, dict):
        raise InputError("this is no experiment: it is no mapping", where=name, hint="chaos validate tells more")
    _bounded(found, name)
    return found


def _json(text: bytes, name: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"this is no JSON: {error}", where=name) from error


def _yaml(text: bytes, name: str) -> object:
    try:
        words = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("this is no text in UTF-8", where=name) from error
    try:
        tree = document.read(words, name)
        if tree.problems:
            raise InputError("; ".join(str(each) for each in tree.problems[:5]), where=name)
        return _plain(tree.root)
    except RecursionError as error:
        raise InputError("nested too deeply", where=name) from error


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value()
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.entries.items()}
    return [_plain(item) for item in node.items]


def _bounded(found: object, name: str) -> None:
    """See that it is neither deep nor large, without recursion."""
    level: list[object] = [found]
    depth = seen = 0
    while level:
        depth += 1
        seen += len(level)
        if depth > MAX_DEPTH or seen > MAX_NODES:
            what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            raise InputError(what, where=name, hint="an experiment needs a few hundred, eight levels deep")
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
