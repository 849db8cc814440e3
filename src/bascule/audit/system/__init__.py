"""The system file against its own promises: what it describes cannot keep them, or only by luck."""

from bascule.audit.estate import Reader
from bascule.audit.rule import Rule
from bascule.audit.system import rules_calls, rules_data, rules_promises, rules_redundancy

READER = Reader(technology="system")
RULES: tuple[Rule, ...] = (*rules_promises.RULES, *rules_redundancy.RULES, *rules_data.RULES, *rules_calls.RULES)
