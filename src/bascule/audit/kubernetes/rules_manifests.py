"""Rules about manifests as such: what is written twice, and selectors that miss their own pods. Pure.

Keys that are written twice are found in every YAML file, by the rules about files.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.kubernetes.manifest import manifests, nearest
from bascule.audit.kubernetes.selectors import Selector
from bascule.audit.place import Place
from bascule.audit.rule import rule
from bascule.audit.tree import Node, items, text

DOCS = "https://kubernetes.io/docs"
IN_CONTAINERS = (("env", "name"), ("ports", "name"), ("volumeMounts", "mountPath"))


@rule(
    "BSC-K8S-001",
    "list-entry-written-twice",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Entries of this list are told apart by their names: of two with the same name one is lost or the object is"
    " refused, so that a setting which reviewers read is not in force.",
    fix="Keep the entry that is meant, or give the other a name of its own.",
    source=f"{DOCS}/tasks/manage-kubernetes-objects/declarative-config/#how-different-types-of-fields-are-merged",
)
def list_entry_written_twice(estate: Estate) -> Iterator[Found]:
    """Finds containers, volumes, variables, ports by name and mounts by path that stand twice in one list."""
    for one in estate.index(cluster).workloads:
        pod = [("containers", "name"), ("volumes", "name")]
        lists = [(key, name, items(one.pod, key)) for key, name in pod]
        for container in one.every_container:
            lists += [(key, name, items(container.node, key)) for key, name in IN_CONTAINERS]
        for key, name, entries in lists:
            seen: dict[str, Node] = {}
            for entry in entries:
                value = text(entry, name)
                if value is not None and value in seen:
                    yield Found(
                        place=nearest(entry, name),
                        subject=one.subject,
                        what=f"`{key}` has a second entry with {name} {value}",
                        related=((nearest(seen[value], name), "the first one"),),
                    )
                elif value is not None:
                    seen[value] = entry


@rule(
    "BSC-K8S-002",
    "object-written-twice",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Both are applied to the same object, one after the other: what only the first one sets is lost.",
    fix="Keep one of them, or give the other a name of its own.",
    source=f"{DOCS}/concepts/overview/working-with-objects/names/ (names are unique within a namespace and kind)",
)
def object_written_twice(estate: Estate) -> Iterator[Found]:
    """Finds objects that one file has twice, hooks of Helm apart; other environments' files may have the same names."""
    seen: dict[tuple[str, str, str, str], Place] = {}
    for manifest in manifests(estate):
        if not manifest.name or manifest.hooks:  # one hook is made anew at each of its moments
            continue
        key = (manifest.document.file.name, manifest.kind, manifest.namespace, manifest.name)
        place = manifest.place("metadata", "name")
        if key in seen:
            yield Found(
                place=place,
                subject=manifest.subject,
                what=f"{manifest.subject} is written a second time in this file",
                related=((seen[key], "written here first"),),
            )
        seen.setdefault(key, place)


@rule(
    "BSC-K8S-003",
    "selector-misses-own-pods",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The API server refuses a workload whose selector does not match its own template: it is not created, or its"
    " change never arrives.",
    fix="Give the template's labels everything that the selector asks for.",
    source=f"{DOCS}/concepts/workloads/controllers/deployment/#selector",
)
def selector_misses_own_pods(estate: Estate) -> Iterator[Found]:
    """Finds workloads whose selector does not match the labels of their template."""
    for one in estate.index(cluster).workloads:
        if one.kind in {"Job", "CronJob", "Pod"} or one.selector is None or one.selector.is_everything:
            continue
        if not one.selector.selects(one.labels):
            written = Selector(labels=tuple(one.labels.items())) if one.labels else "no labels"
            yield Found(
                place=one.manifest.place("spec", "selector"),
                subject=one.subject,
                what=f"the selector asks for {one.selector}, but the template has {written}",
                related=((one.manifest.place("spec", "template", "metadata", "labels"), "the template's labels"),),
            )


RULES = (list_entry_written_twice, object_written_twice, selector_misses_own_pods)
