"""What in a Patroni configuration contradicts the promise? A reader of its YAML, and rules about it. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.patroni import rules_cluster, rules_data, rules_times
from bascule.audit.patroni.member import read_yaml
from bascule.audit.rule import Rule

READER = Reader(technology="patroni", read_yaml=read_yaml)
RULES: tuple[Rule, ...] = tuple(
    sorted((*rules_times.RULES, *rules_data.RULES, *rules_cluster.RULES), key=lambda one: one.id)
)
