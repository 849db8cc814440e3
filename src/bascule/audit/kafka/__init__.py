"""What in Kafka's properties contradicts the promise? A reader of its files, and rules about them. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.kafka import rules_clients, rules_servers
from bascule.audit.kafka.properties import read, recognises
from bascule.audit.rule import Rule

READER = Reader(technology="kafka", recognises=recognises, read=read)
RULES: tuple[Rule, ...] = tuple(sorted((*rules_servers.RULES, *rules_clients.RULES), key=lambda one: one.id))
