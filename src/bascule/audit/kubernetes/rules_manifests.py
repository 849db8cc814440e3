"""Rules about manifests as such: what is written twice, and selectors that miss their own pods. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.kubernetes.manifest import manifests
from bascule.audit.place import Place
from bascule.audit.rule import rule
from bascule.audit.tree import Mapping, walk

DOCS = "https://kubernetes.io/docs"


@rule(
    "BSC-K8S-001",
    "duplicate-key",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Of a key that is written twice only the last one counts, or the object is refused: a setting that reviewers"
    " read in the file is not in force.",
    fix="Write each key once, and keep the value that is meant.",
    source=f"{DOCS}/reference/using-api/api-concepts/#field-validation",
)
def duplicate_key(estate: Estate) -> Iterator[Found]:
    """Finds keys that stand twice in one mapping of a manifest."""
    for manifest in manifests(estate):
        for node in walk(manifest.root):
            if not isinstance(node, Mapping):
                continue
            for key, place in node.duplicates:
                first = node.keys.get(key)
                yield Found(
                    place=place,
                    subject=manifest.subject,
                    what=f"the key `{key}` is written again in the same mapping",
                    related=((first, f"the same key `{key}`"),) if first is not None and first != place else (),
                )


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
    """Finds objects that one file has twice; files of different environments may well have the same names."""
    seen: dict[tuple[str, str, str, str], Place] = {}
    for manifest in manifests(estate):
        if not manifest.name:
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
            written = ", ".join(f"{key}={value}" for key, value in one.labels.items()) or "no labels"
            yield Found(
                place=one.manifest.place("spec", "selector"),
                subject=one.subject,
                what=f"the selector asks for {one.selector}, but the template has {written}",
                related=((one.manifest.place("spec", "template", "metadata", "labels"), "the template's labels"),),
            )


RULES = (duplicate_key, object_written_twice, selector_misses_own_pods)
