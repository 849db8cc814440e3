"""What is wrong with the files themselves, whatever they are of? Rules about what could not be read. Pure."""

from bascule.audit.estate import Reader
from bascule.audit.files import rules
from bascule.audit.rule import Rule

READER = Reader(technology="files")
RULES: tuple[Rule, ...] = rules.RULES
