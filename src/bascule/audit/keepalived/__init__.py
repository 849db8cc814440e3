"""What in keepalived's configurations contradicts the promise? A reader of their blocks, and rules about them. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.keepalived import rules_hosts, rules_pairs
from bascule.audit.keepalived.configuration import read, recognises
from bascule.audit.rule import Rule

READER = Reader(technology="keepalived", recognises=recognises, read=read)
RULES: tuple[Rule, ...] = tuple(sorted((*rules_hosts.RULES, *rules_pairs.RULES), key=lambda one: one.id))
