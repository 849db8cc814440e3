"""Names of a package that are imported when they are first asked for, so that nobody pays for what others need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def later(package: str, where: Mapping[str, str], *, extra: str = "") -> Callable[[str], object]:
    """The function by which a package finds what it has not imported yet.

        __getattr__ = later(__name__, {"Name": "module"})

    Args:
        package: The package's name.
        where: For each name the module of the package that has it.
        extra: The extra of bascule that brings what those modules need; empty when they need nothing.

    Raises, when a name is asked for:
        AttributeError: The package has no such name.
        ModuleNotFoundError: What its module needs is not installed; the message says how to get it.
    """

    def get(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{where[name]}")
        except ModuleNotFoundError as error:
            if not extra or (error.name or "").startswith("bascule"):
                raise
            advice = f"{package}.{name} needs {error.name}: pip install 'bascule[{extra}]'"
            raise ModuleNotFoundError(advice, name=error.name) from error
        found: object = getattr(module, name)
        setattr(sys.modules[package], name, found)
        return found

    return get
