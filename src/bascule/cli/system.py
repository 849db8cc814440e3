"""`bascule system` and `bascule init`: write a system file, check it, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from bascule.cli.output import emit, print_json
from bascule.cli.system_file import load_checked
from bascule.system.model import Objectives, System, Workload
from bascule.system.schema import schema as json_schema
from bascule.system.starter import write

app = App(name="system", help="Check and show a system file.")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


def init(path: Path = Path("bascule.yaml"), /, *, force: bool = False, as_json: Json = False) -> int:
    """Write a commented system file to start from: a replicated database over two regions and a witness.

    Examples:
        bascule init
        bascule init systems/shop.yaml
        bascule init shop.yaml --force

    Args:
        path: The file to write; in a folder, bascule.yaml.
        force: Replace the file if it is there.
        as_json: Print one JSON document instead of text.
    """
    written = write(path, force=force)
    steps = f"{written} is written\nbascule system check {written} · bascule drill {written}"
    emit({"file": str(written)}, as_json=as_json, text=steps)
    return 0


@app.command
def check(file: Path, /, *, as_json: Json = False) -> int:
    """Say everything that is wrong with a system file, each at its line and column; exit code 2 if anything is.

    Examples:
        bascule system check bascule.yaml
        bascule system check bascule.yaml --json

    Args:
        file: The system file.
        as_json: Print one JSON document instead of text.
    """
    system = load_checked(file)
    counts = {
        "regions": len(system.regions),
        "zones": len(system.zones),
        "components": len(system.components),
        "replicas": sum(sum(component.replicas.values()) for component in system.components.values()),
    }
    told = ", ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items())
    emit({"file": str(file), "system": system.system, **counts}, as_json=as_json, text=f"{file}: OK: {told}")
    return 0


@app.command
def show(file: Path, /, *, as_json: Json = False) -> int:
    """Show a system in an operator's words: where it runs, what it is made of, what it promises.

    Examples:
        bascule system show bascule.yaml
        bascule system show bascule.yaml --json

    Args:
        file: The system file.
        as_json: Print the whole system, defaults included, as one JSON document.
    """
    system = load_checked(file)
    emit(system, as_json=as_json, text=_shown(system))
    return 0


@app.command
def schema(*, as_json: Json = False) -> int:
    """Print the JSON Schema of system files, for editors.

    Examples:
        bascule system schema > bascule.schema.json

    Args:
        as_json: Accepted like everywhere; the schema is JSON in any case.
    """
    del as_json
    print_json(json_schema())
    return 0


def _shown(system: System) -> RenderableType:
    return Group(
        Text(system.system, style="bold"),
        _places(system),
        _components(system),
        *_lines(system),
        _promises(system.objectives),
        Text(f"\nLoad: {_load(system.workload)}"),
    )


def _places(system: System) -> Tree:
    tree = Tree("regions")
    for name, region in system.regions.items():
        branch = tree.add(name)
        for zone in region.zones:
            here = [
                f"{component}{f' x {count}' if count > 1 else ''}"
                for component, described in system.components.items()
                if (count := described.replicas.get(zone, 0))
            ]
            branch.add(Text(f"{zone}: {', '.join(here) or 'nothing'}"))
    return tree


def _components(system: System) -> Table:
    table = Table("component", "engine", "replicas", "cannot do without", "degrades without")
    for name, component in system.components.items():
        hard = [other for other, need in component.needs.items() if need.kind == "hard"]
        soft = [f"{other}: {need.degrades}" for other, need in component.needs.items() if need.kind == "soft"]
        replicas = str(sum(component.replicas.values()))
        table.add_row(name, component.engine, replicas, ", ".join(hard) or "-", "\n".join(soft) or "-")
    return table


def _lines(system: System) -> list[RenderableType]:
    """The table of links, if there are any."""
    table = Table("between", "and", "delay, one way", "jitter", "loss")
    for link in system.links:
        table.add_row(*link.between, str(link.delay), str(link.jitter), str(link.loss))
    return [table] if system.links else []


def _promises(objectives: Objectives) -> Table:
    table = Table("promise", "value")
    table.add_row("good requests", f"{objectives.availability.target} over {objectives.availability.window}")
    if objectives.latency is not None:
        latency = objectives.latency
        table.add_row("latency", f"{latency.percentile:g}% within {latency.within}")
    for scope, disruption in objectives.disruptions.items():
        lost = (
            "no acknowledged write lost" if not disruption.rpo.seconds else f"at most {disruption.rpo} of writes lost"
        )
        table.add_row(f"loss of one {scope}", f"served again within {disruption.rto}, {lost}")
    return table


def _load(workload: Workload) -> str:
    port = f", port {workload.port}" if workload.port else ""
    entry = workload.entry
    by = f", by one address that {entry.provider} moves" if entry is not None and entry.kind == "vip" else ""
    mix = "unique numbers written by SQL"
    if workload.protocol == "http":
        total = sum(operation.weight for operation in workload.operations)
        mix = ", ".join(f"{operation.weight / total:.0%} {operation.name}" for operation in workload.operations)
    retries = "no retries" if not workload.retries else f"up to {workload.retries} retries"
    return f"{workload.rate} through {workload.through}{port}{by}: {mix}; good within {workload.deadline}, {retries}"
