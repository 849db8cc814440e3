"""What in an HAProxy configuration contradicts the promise? A reader of its language, and rules about it. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.haproxy import rules_proxies, rules_servers
from bascule.audit.haproxy.configuration import read, recognises
from bascule.audit.rule import Rule

READER = Reader(technology="haproxy", recognises=recognises, read=read)
RULES: tuple[Rule, ...] = tuple(sorted((*rules_servers.RULES, *rules_proxies.RULES), key=lambda one: one.id))
