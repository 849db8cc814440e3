"""The launch of one member of a service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bascule.engines.addresses import is_path
from bascule.engines.decoding import closest
from bascule.engines.protocols import Engine, File, Finding, Launch, Rendering, Site
from bascule.engines.service import references
from bascule.engines.service.options import Options

Engines = Callable[[str], Engine]


def _texts(options: Options) -> tuple[str, ...]:
    return (*options.command, *options.environment.values())


def _own(site: Site, options: Options) -> dict[str, str]:
    me = site.member
    own = {"address": me.address, "name": me.name, "zone": me.zone, "region": me.region, "port": str(options.port)}
    return {
        **{f"self.{key}": value for key, value in own.items()},
        "system.name": site.system.system,
        "system.directory": str(site.source_directory),
    }


def _referred(options: Options, site: Site) -> list[str]:
    heads = dict.fromkeys(name.partition(".")[0] for name in references.names(_texts(options)))
    return [head for head in heads if head in site.system.components]


def _exported(site: Site, options: Options, engines: Engines) -> dict[str, str]:
    values: dict[str, str] = {}
    for head in _referred(options, site):
        exports = engines(site.system.components[head].engine).exports(site, head)
        values |= {f"{head}.{key}": value for key, value in exports.items()}
    return values


def check(site: Site, path: str, options: Options, engines: Engines) -> tuple[Finding, ...]:
    """References to what nobody exports, and a command that cannot be.

    Args:
        site: A rehearsal will do: only the names of the exports count.
        path: Where the options stand in the system file.
        options: The service's own.
        engines: Gives an engine by its name.
    """
    findings: list[Finding] = []
    if not options.command or not options.command[0]:
        findings.append(
            Finding(path=f"{path}.command", what="there is no command", hint='write ["${python}", "-m", "..."]')
        )
    if not 1024 <= options.port <= 65535:
        findings.append(
            Finding(path=f"{path}.port", what=f"{options.port} cannot be opened by a plain user", hint="1024 to 65535")
        )
    if not is_path(options.health):
        findings.append(
            Finding(
                path=f"{path}.health", what=f"{options.health!r} is not a path", hint="begin it with /, without spaces"
            )
        )
    known = {"python": "", **_own(site, options), **_exported(site, options, engines)}
    places = {f"{path}.command": options.command} | {
        f"{path}.environment.{key}": (value,) for key, value in options.environment.items()
    }
    for place, texts in places.items():
        findings += [_unknown(place, name, known, site) for name in references.names(texts) if name not in known]
    return tuple(findings)


def _unknown(place: str, name: str, known: Mapping[str, str], site: Site) -> Finding:
    if name == "$":
        return Finding(path=place, what="a lone $", hint="write $$ for a dollar, ${NAME} for a reference")
    head = name.partition(".")[0]
    if head in site.system.components or head in {"self", "system"}:
        candidates = tuple(each for each in known if each.startswith(f"{head}."))
    else:
        candidates = (*site.system.components, "self", "system", "python")
    near = closest(name if head in site.system.components or head in {"self", "system"} else head, candidates)
    return Finding(path=place, what=f"nothing is called ${{{name}}}", hint=near)


def render(site: Site, options: Options, engines: Engines) -> Rendering:
    """The command with its references resolved; passwords reach it as files of its own, never as words."""
    python = site.programs["python"]
    values = {"python": python.path, **_own(site, options), **_exported(site, options, engines)}
    files: list[File] = []
    for head in _referred(options, site):
        files += engines(site.system.components[head].engine).credentials(site, head)
    return Rendering(
        files=tuple(files),
        launch=Launch(
            argv=tuple(references.expand(word, values.__getitem__) for word in options.command),
            environment={
                key: references.expand(value, values.__getitem__) for key, value in options.environment.items()
            },
            stop_signal=options.stop_signal,
        ),
        summary=f"port {options.port}",
    )
