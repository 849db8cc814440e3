"""What in Prometheus's files hides an outage? A reader of its rules and configuration, and rules about them. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.prometheus import rules
from bascule.audit.prometheus.documents import read_yaml
from bascule.audit.rule import Rule

READER = Reader(technology="prometheus", read_yaml=read_yaml)
RULES: tuple[Rule, ...] = rules.RULES
