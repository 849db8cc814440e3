"""A member's Patroni configuration, or what the store keeps for the whole cluster, as rules ask for it. Pure.

Source: Patroni 4.1 documentation, "Dynamic Configuration Settings", "YAML Configuration Settings"; what is missing has
the defaults of `patroni/config.py` and `patroni/global_config.py`. Patroni takes `on`, `yes` and `1` for true.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.estate import Estate, YamlDocument
from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, Scalar, at, key_place, number, text

TTL_S, LOOP_WAIT_S, RETRY_TIMEOUT_S, PRIMARY_START_TIMEOUT_S = 30.0, 10.0, 10.0, 300.0
MOST_LAG_BYTES = 1_048_576
"""How far behind a standby may be and still take over, where nothing is said."""
_TELLING = ("ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover", "synchronous_mode")
_TRUE, _FALSE = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0"})


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One document.

    Attributes:
        root: The member's own settings; None where the document is the cluster's alone.
        dynamic: What the store keeps, or is told when the cluster is new; None where the document has no such part.
        dynamic_place: Where that part begins: what is missing in it is missing there.
        scope: The cluster's name; empty where the document does not say it.
    """

    file: str
    root: Mapping | None
    dynamic: Mapping | None
    dynamic_place: Place
    scope: str

    @property
    def subject(self) -> str:
        """For people: `cluster shop`."""
        return f"cluster {self.scope}" if self.scope else "cluster"

    @property
    def name(self) -> str:
        """The member's own name; its file's where it has none."""
        return text(self.root, "name") or self.file

    def dynamic_at(self, *path: str) -> Place:
        """Where this setting of the cluster stands; where it is missing, the part that it should stand in."""
        found = at(self.dynamic, *path)
        return found.place if found is not None else self.dynamic_place

    def seconds(self, key: str, default_s: float) -> float | None:
        """A time of the cluster; the default where it is missing, None where it is no number."""
        return default_s if at(self.dynamic, key) is None else number(self.dynamic, key)

    def parameter(self, name: str) -> Node | None:
        """The PostgreSQL setting of this name; the member's own counts before the cluster's."""
        own = at(self.root, "postgresql", "parameters", name)
        return own if own is not None else at(self.dynamic, "postgresql", "parameters", name)

    @property
    def is_synchronous(self) -> bool:
        """Whether commits wait for a standby."""
        return truth(at(self.dynamic, "synchronous_mode")) or text(self.dynamic, "synchronous_mode") == "quorum"


def truth(node: Node | None) -> bool:
    """Whether Patroni takes this for true."""
    return isinstance(node, Scalar) and node.text.lower() in _TRUE


def falsehood(node: Node | None) -> bool:
    """Whether Patroni takes this for false; what is missing is not."""
    return isinstance(node, Scalar) and node.text.lower() in _FALSE


def read_yaml(document: YamlDocument) -> object | None:
    """The configuration in a document, if it is one of Patroni's."""
    root = document.root
    if not isinstance(root, Mapping) or "apiVersion" in root.entries:
        return None
    entries = root.entries
    dynamic = at(root, "bootstrap", "dcs")
    if ("scope" in entries and ("restapi" in entries or "postgresql" in entries)) or isinstance(dynamic, Mapping):
        given = dynamic if isinstance(dynamic, Mapping) else None
        place = key_place(at(root, "bootstrap"), "dcs") or root.place
        return Member(document.file.name, root, given, place, text(root, "scope") or "")
    if sum(one in entries for one in _TELLING) >= 2:
        first = next(iter(root.keys.values()))
        return Member(document.file.name, None, root, first, "")
    return None


def members(estate: Estate) -> list[Member]:
    """Every document of Patroni's."""
    return estate.of(Member)


def told(estate: Estate) -> list[Member]:
    """Those that say what the cluster's settings are."""
    return [one for one in estate.of(Member) if one.dynamic is not None]


def clusters(estate: Estate) -> list[list[Member]]:
    """The members' own documents by cluster, where a cluster has several of them. For `Estate.index`."""
    by_scope: dict[str, list[Member]] = {}
    for one in estate.of(Member):
        if one.root is not None and one.scope:
            by_scope.setdefault(one.scope, []).append(one)
    return [each for each in by_scope.values() if len({one.name for one in each}) > 1]
