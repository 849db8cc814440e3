"""What would an operator type? Thin commands: each parses, calls one room, prints, and returns an exit code."""
