"""Names of the files in a lab's directory. Apart from the protocol, so that the keeper need not load that."""

CONTROL_SOCKET = "control.sock"
RECORD = "lab.json"
MARK = ".bascule-lab"
LOGS = "logs"
MEMBERS = "members"
TEMPORARY = "tmp"
CLOCKS = "clocks"
RESOLVING = "names"
DIRECTORIES = (LOGS, MEMBERS, TEMPORARY, CLOCKS, RESOLVING)
"""All directories that a lab makes in its own."""
IDENTITY = "identity.json"
SUPERVISOR_LOG = "supervisor.log"
