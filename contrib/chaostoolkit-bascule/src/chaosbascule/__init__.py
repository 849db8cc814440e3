"""What can Chaos Toolkit break, ask and undo in a system that Bascule runs?"""

import inspect
from types import ModuleType, UnionType
from typing import Any, get_args, get_origin

__version__ = "0.1.0"
__all__ = ["discover"]


def discover(discover_system: bool = True) -> dict[str, Any]:
    """Everything that this extension offers, read from its code: actions, probes, tolerances.

    Args:
        discover_system: Tell every kind of fault as well, with its parameters, and every experiment of `bascule drill`.
    """
    from chaoslib.discovery.discover import (  # noqa: PLC0415 - only when it is asked for
        discover_actions,
        discover_probes,
        initialize_discovery_result,
    )

    from chaosbascule import actions, probes, tolerances  # noqa: PLC0415 - the same

    found = initialize_discovery_result("chaostoolkit-bascule", __version__, "bascule")
    found["activities"] += [_portable(actions, each) for each in discover_actions(actions.__name__)]
    for module in (probes, tolerances):
        found["activities"] += [_portable(module, each) for each in discover_probes(module.__name__)]
    if discover_system:
        found["system"] = _system()
    return dict(found)


def _portable(module: ModuleType, activity: dict[str, Any]) -> dict[str, Any]:
    """The activity with the types that Chaos Toolkit has names for, but does not recognize."""
    signature = inspect.signature(getattr(module, activity["name"]))
    for argument in activity["arguments"]:
        argument["type"] = _type(signature.parameters[argument["name"]].annotation, argument["type"])
    activity["return_type"] = _type(signature.return_annotation, activity["return_type"])
    return activity


def _type(annotation: object, told: str) -> str:
    """Its portable name, by the first part of a union: what may be left out may be null too."""
    kind = get_args(annotation)[0] if isinstance(annotation, UnionType) else annotation
    origin = get_origin(kind)
    return "mapping" if origin is dict else "list" if origin is list else told


def _system() -> dict[str, Any]:
    """What can be broken at all."""
    from bascule.chaos.faults.catalogue import KINDS, parameters  # noqa: PLC0415 - only when it is asked for
    from bascule.drill.experiments import CATALOGUE  # noqa: PLC0415 - only when it is asked for
    from bascule.drill.scenarios import catalogue  # noqa: PLC0415 - only when it is asked for

    return {
        "faults": [
            {
                "name": kind.kind(),
                "does": kind.DOES,
                "seen_by": kind.SEEN_BY,
                "undone_by": kind.UNDONE_BY,
                "parameters": [
                    {"name": each.name, "type": each.type, "default": each.default} for each in parameters(kind)
                ],
            }
            for kind in KINDS
        ],
        "experiments": [
            {"name": each.name, "about": each.about} for each in (*CATALOGUE.values(), *catalogue.shipped().values())
        ],
    }
