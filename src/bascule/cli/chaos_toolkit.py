"""`bascule chaos export`: an experiment of ours for Chaos Toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from bascule.chaos.faults.catalogue import KINDS, named, parse
from bascule.cli.output import emit, print_json
from bascule.cli.system_file import load_checked, with_experiments
from bascule.drill import targets
from bascule.drill.chaos_toolkit import export as exporting
from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill, PlannedFault
from bascule.drill.experiments import Experiment
from bascule.drill.scenarios import catalogue
from bascule.kernel.errors import InputError, MachineError
from bascule.kernel.quantities import Duration
from bascule.lab.abilities import needed
from bascule.system.model import System
from bascule.system.problems import did_you_mean

LABS = Path(".bascule")
SUFFIXES = (".json", ".yaml", ".yml")


def export(
    name: str,
    /,
    *parameters: str,
    system: Annotated[Path, Parameter(name=["--system", "-s"])],
    lab: Annotated[Path | None, Parameter(name="--lab")] = None,
    hold: Annotated[str, Parameter(name="--for")] = "",
    trials: Annotated[int, Parameter(name=["--trials", "-n"])] = 1,
    experiments: Annotated[Path | None, Parameter(name="--experiments")] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Write an experiment, or one fault, as an experiment of Chaos Toolkit that undoes everything however it ends.

    What it calls is in the package chaostoolkit-bascule. Its control makes the lab if none is up, and ends it then.

    Examples:
        bascule chaos export primary-kill --system my.yaml --output experiment.json
        bascule chaos export process-freeze member=database-paris-a-1 --system my.yaml --for 10s -o experiment.yaml
        chaos validate experiment.json && chaos run experiment.json

    Args:
        name: An experiment of bascule drill --list, or a fault of bascule fault list.
        parameters: Of a fault, as parameter=value: bascule fault show FAULT.
        system: The system file.
        lab: Directory of the lab. Default: .bascule/NAME-OF-THE-SYSTEM
        hold: How long the fault acts (`10s`). Default: 10 s; in a drill, until the clients are served again.
        trials: Of an experiment: how often it is run.
        experiments: A file with further experiments beside the system's.
        output: The file, by its ending JSON or YAML. Default: JSON on standard output.
        as_json: Say what was written as one JSON document.
    """
    checked = load_checked(system)
    if experiments is not None:
        checked = with_experiments(checked, experiments)
    hold_s = Duration.parse(hold).seconds if hold else None
    known = catalogue.experiments(checked)
    if name in known:
        planned = PlannedDrill(experiments=(name,), trials=trials, hold=hold, timelines=str(experiments or ""))
        outline = _experiment(known[name], parameters, checked, planned)
    else:
        outline = _fault(name, parameters, checked, hold_s)
    document = exporting.experiment(outline, lab=str(lab or LABS / checked.system), system=str(system))
    if output is None:
        print_json(document)
        return 0
    _write(output, document)
    told = {"output": str(output), "title": outline.title}
    emit(told, as_json=as_json, text=f"{output}: {outline.title}\nchaos validate {output} && chaos run {output}")
    return 0


def _experiment(chosen: Experiment, parameters: tuple[str, ...], system: System, planned: PlannedDrill) -> Outline:
    if parameters:
        raise InputError(f"{parameters[0]!r}: an experiment has no parameters", hint="bascule drill --list")
    if planned.trials < 1:
        raise InputError(f"{planned.trials} is not a number of trials", hint="at least 1: --trials 1")
    if planned.hold and chosen.scenario is not None:
        raise InputError("a timeline has its own times", hint="leave --for out, or change `for` in the file")
    targets.check([chosen], system)
    catalogue.check((chosen,), system)
    outline = exporting.outline_of_experiment(chosen.name, chosen.about, planned, system=system.system)
    steps = () if chosen.scenario is None else chosen.scenario.timeline
    kinds = [name for step in steps for name in (step.fault, *(choice.fault for choice in step.one_of)) if name]
    return _with_lab_for(outline, kinds)


def _fault(name: str, parameters: tuple[str, ...], system: System, hold_s: float | None) -> Outline:
    known = [*catalogue.experiments(system), *(kind.kind() for kind in KINDS)]
    if name not in known:
        raise InputError(f"no experiment and no fault is called {name!r}", hint=did_you_mean(name, known))
    fields = msgspec.to_builtins(parse(name, parameters))
    given = {key: value for key, value in fields.items() if key != "fault"}
    kind = named(name)
    planned = PlannedFault(kind=name, parameters=given, for_s=hold_s)
    outline = exporting.outline_of_fault(planned, kind.DOES, kind.SEEN_BY, system=system.system)
    return _with_lab_for(outline, [name])


def _with_lab_for(outline: Outline, kinds: list[str]) -> Outline:
    wanted = needed(control for kind in kinds for control in named(kind).NEEDS)
    return msgspec.structs.replace(outline, abilities=wanted.asked())


def _write(path: Path, document: dict[str, Any]) -> None:
    """The document in the file, by its ending; Chaos Toolkit goes by that too.

    Raises:
        InputError: It has another ending.
        MachineError: It cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path.suffix or 'no ending'!r}", where=str(path), hint=f"end it with {', '.join(SUFFIXES)}")
    text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    if path.suffix != ".json":
        text = yaml_of(document).encode()
    try:
        path.write_bytes(text)
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(path)) from error


def yaml_of(document: object) -> str:
    """The document as YAML for people."""
    import io  # noqa: PLC0415 - only who asks for YAML pays for its library

    from ruamel.yaml import YAML  # noqa: PLC0415 - only who asks for YAML pays for its library

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its stub knows the default alone
    stream = io.StringIO()
    writer.dump(document, stream)
    return stream.getvalue()
