"""Rules about volumes: data that is lost with a pod, and volumes that cannot follow it to another node. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import Manifest, nearest
from bascule.audit.kubernetes.updates import rolling
from bascule.audit.kubernetes.workloads import REPLICATED, Container, Workload
from bascule.audit.rule import rule
from bascule.audit.tree import Node, at, boolean, items, text

DOCS = "https://kubernetes.io/docs"
VOLUMES = f"{DOCS}/concepts/storage/volumes/"
PERSISTENT = f"{DOCS}/concepts/storage/persistent-volumes/"
ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
ZONAL = frozenset(
    {
        "ebs.csi.aws.com",
        "kubernetes.io/aws-ebs",
        "pd.csi.storage.gke.io",
        "kubernetes.io/gce-pd",
        "disk.csi.azure.com",
        "kubernetes.io/azure-disk",
        "cinder.csi.openstack.org",
    }
)
_DATA = re.compile(r"/(data|db|bitnami|var/lib/[a-z0-9_-]+|var/data|opt/[a-z0-9_-]+/data)(/.*)?")
_SYSTEM = re.compile(r"/(dev|proc|sys|etc|run|var/run|var/log|lib/modules|usr/share/zoneinfo)(/.*)?")


def _single_writer(known: Cluster, one: Workload) -> Iterator[tuple[str, Node, Manifest]]:
    """The claims of a workload that one node alone may mount."""
    for name, node in one.claims():
        claim = known.find("PersistentVolumeClaim", one.namespace, name)
        modes = {text(mode) for mode in items(claim.root, "spec", "accessModes")} if claim is not None else set()
        if claim is not None and modes and modes <= ONE_NODE:
            yield name, node, claim


@rule(
    "BSC-K8S-070",
    "replicas-share-a-one-node-volume",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "capacity"),
    why="One node alone may mount the volume: replicas on any other node never start, so all that run are on one node"
    " and are lost with it.",
    fix="Use a StatefulSet with volumeClaimTemplates, or a claim with ReadWriteMany.",
    source=f"{PERSISTENT}#access-modes",
)
def replicas_share_a_one_node_volume(estate: Estate) -> Iterator[Found]:
    """Finds workloads of several replicas that mount one claim which one node alone may mount."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        if count.most < 2:
            continue
        for name, node, claim in _single_writer(known, one):
            yield Found(
                place=node.place,
                subject=one.subject,
                what=f"up to {count.most} replicas mount the claim {name}, which one node at a time may mount",
                related=((claim.place("spec", "accessModes"), "its access modes"),),
            )


@rule(
    "BSC-K8S-071",
    "rollout-waits-for-its-own-volume",
    severity="medium",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="The new pod waits for a volume that the old one holds, and the old one stays until the new one is ready: on"
    " different nodes the update never ends.",
    fix="Set the strategy's type to `Recreate`, or use a StatefulSet.",
    source=f"{PERSISTENT}#access-modes",
)
def rollout_waits_for_its_own_volume(estate: Estate) -> Iterator[Found]:
    """Finds Deployments of one replica that mount a volume of one node, and whose updates add a pod first."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        update = rolling(one, count.most)
        if update is None or count.most != 1 or update.unavailable > 0:
            continue
        for name, node, claim in _single_writer(known, one):
            yield Found(
                place=one.manifest.place("spec", "strategy"),
                subject=one.subject,
                what=f"an update starts a second pod that needs the claim {name} while the first one holds it",
                related=((node.place, "the claim"), (claim.place("spec", "accessModes"), "its access modes")),
            )


def _mounts(one: Workload, volume: str) -> Iterator[Node]:
    for container in one.every_container:
        for mount in items(container.node, "volumeMounts"):
            if text(mount, "name") == volume:
                yield mount


@rule(
    "BSC-K8S-072",
    "data-on-a-nodes-disk",
    severity="high",
    technology="kubernetes",
    breaks=("rpo", "rto"),
    why="What is written stays on the node's disk: a pod that is started elsewhere finds it empty, and with the node"
    " the data is lost.",
    fix="Use a PersistentVolumeClaim.",
    source=f"{VOLUMES}#hostpath",
)
def data_on_a_nodes_disk(estate: Estate) -> Iterator[Found]:
    """Finds hostPath volumes of replicated workloads that are written to, outside of the system's own paths."""
    for one in estate.index(cluster).workloads:
        if one.kind not in REPLICATED:
            continue
        for name, volume in one.volumes():
            path = text(volume, "hostPath", "path")
            kind = text(volume, "hostPath", "type") or ""
            if path is None or _SYSTEM.fullmatch(path.rstrip("/")) or kind in {"Socket", "CharDevice", "BlockDevice"}:
                continue
            if any(boolean(mount, "readOnly") is not True for mount in _mounts(one, name)):
                yield Found(
                    place=nearest(volume, "hostPath", "path"),
                    subject=one.subject,
                    what=f"volume {name} is {path} on whichever node the pod runs",
                )


@rule(
    "BSC-K8S-073",
    "only-copy-on-one-node",
    severity="high",
    technology="kubernetes",
    breaks=("rpo", "rto", "availability"),
    why="A local volume is a disk of one node: its pod can run nowhere else, and without a second replica of the data"
    " nothing is left when the node is lost.",
    fix="Use a class whose volumes can be attached to other nodes, or replicate the data over several pods.",
    source=f"{VOLUMES}#local",
)
def only_copy_on_one_node(estate: Estate) -> Iterator[Found]:
    """Finds workloads of one replica whose claims are of a class of local volumes that was read."""
    known = estate.index(cluster)
    local = {
        text(volume.root, "spec", "storageClassName"): volume
        for volume in known.of("PersistentVolume")
        if volume.node("spec", "local") is not None
    }
    for one, count in known.replicated() if local else ():
        if count.most != 1:
            continue
        for name, claim, place in _claimed(known, one):
            volume = local.get(text(claim, "spec", "storageClassName"))
            if volume is not None:
                yield Found(
                    place=nearest(place, "metadata", "name"),
                    subject=one.subject,
                    what=f"its only pod keeps the claim {name} on local volumes, each a disk of one node",
                    related=((volume.place("spec", "local"), volume.subject),),
                )


def _claimed(known: Cluster, one: Workload) -> Iterator[tuple[str, Node, Node]]:
    """The claims of a workload with their definitions: those it names, and those it makes."""
    for name, node in one.claims():
        claim = known.find("PersistentVolumeClaim", one.namespace, name)
        if claim is not None:
            yield name, claim.root, node
    for template in items(one.manifest.root, "spec", "volumeClaimTemplates"):
        yield text(template, "metadata", "name") or "", template, template


@rule(
    "BSC-K8S-074",
    "data-in-an-empty-dir",
    severity="critical",
    technology="kubernetes",
    breaks=("rpo",),
    why="An emptyDir is deleted with its pod: every eviction, update or lost node loses the data of that replica.",
    fix="Give the StatefulSet a volumeClaimTemplate and mount that.",
    source=f"{VOLUMES}#emptydir",
)
def data_in_an_empty_dir(estate: Estate) -> Iterator[Found]:
    """Finds StatefulSets that mount an emptyDir on a disk where data is usually kept, and no claim there or below."""
    for one in estate.index(cluster).workloads:
        if one.kind != "StatefulSet":
            continue
        for name, volume in one.volumes():
            if at(volume, "emptyDir") is None or text(volume, "emptyDir", "medium") == "Memory":
                continue
            data = next((path for container in one.every_container for path in _unkept(one, container, name)), None)
            if data is not None:
                yield Found(
                    place=nearest(volume, "name"),
                    subject=one.subject,
                    what=f"{data} is the emptyDir {name}, which is deleted with its pod",
                )


def _unkept(one: Workload, container: Container, volume: str) -> Iterator[str]:
    """Where a container has the volume as its place of data, while it mounts no claim at that path or below it."""
    claimed = {name for name, found in one.volumes() if at(found, "persistentVolumeClaim") is not None}
    claimed |= {
        text(made, "metadata", "name") or "" for made in items(one.manifest.root, "spec", "volumeClaimTemplates")
    }
    mounted = [(text(mount, "name"), text(mount, "mountPath") or "") for mount in items(container.node, "volumeMounts")]
    kept = [f"{path.rstrip('/')}/" for name, path in mounted if name in claimed]
    for name, path in mounted:
        is_data = name == volume and _DATA.fullmatch(path.rstrip("/"))
        if is_data and not any(below.startswith(f"{path.rstrip('/')}/") for below in kept):
            yield path


@rule(
    "BSC-K8S-075",
    "data-deleted-with-the-set",
    severity="high",
    technology="kubernetes",
    breaks=("rpo",),
    why="Deleting the StatefulSet, or scaling it down, deletes the claims and the data with them: a mistake that can"
    " otherwise be undone in minutes needs a restore from backup.",
    fix="Set both to `Retain`, which is the default.",
    source=f"{DOCS}/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention",
)
def data_deleted_with_the_set(estate: Estate) -> Iterator[Found]:
    """Finds StatefulSets that delete their claims when they are deleted or scaled down."""
    for manifest in estate.index(cluster).of("StatefulSet"):
        for key, when in (("whenDeleted", "deleted"), ("whenScaled", "scaled down")):
            path = ("spec", "persistentVolumeClaimRetentionPolicy", key)
            if text(manifest.root, *path) == "Delete":
                yield Found(
                    place=manifest.place(*path),
                    subject=manifest.subject,
                    what=f"its claims are deleted with their data when it is {when}",
                )


@rule(
    "BSC-K8S-076",
    "volume-bound-before-its-pod",
    severity="medium",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="A volume of one zone is made before anybody knows where its pod can run: the pod may then fit in no zone in"
    " which its volume is, and stays pending.",
    fix="Set `volumeBindingMode: WaitForFirstConsumer`.",
    source=f"{DOCS}/concepts/storage/storage-classes/#volume-binding-mode",
)
def volume_bound_before_its_pod(estate: Estate) -> Iterator[Found]:
    """Finds storage classes of volumes that are in one zone, and bind at once."""
    for manifest in estate.index(cluster).of("StorageClass"):
        mode = text(manifest.root, "volumeBindingMode") or "Immediate"
        provisioner = text(manifest.root, "provisioner") or ""
        if mode == "Immediate" and provisioner in ZONAL and manifest.node("allowedTopologies") is None:
            yield Found(
                place=manifest.place("volumeBindingMode"),
                subject=manifest.subject,
                what=f"volumes of {provisioner}, which are in one zone, are bound before their pods are placed",
            )


RULES = (
    replicas_share_a_one_node_volume,
    rollout_waits_for_its_own_volume,
    data_on_a_nodes_disk,
    only_copy_on_one_node,
    data_in_an_empty_dir,
    data_deleted_with_the_set,
    volume_bound_before_its_pod,
)
