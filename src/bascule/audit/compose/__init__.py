"""What in a Compose file contradicts the promise? A reader of its services, and rules about them. Pure."""

from bascule.audit.compose import rules
from bascule.audit.compose.services import read_yaml
from bascule.audit.estate import Reader
from bascule.audit.rule import Rule

READER = Reader(technology="compose", read_yaml=read_yaml)
RULES: tuple[Rule, ...] = rules.RULES
