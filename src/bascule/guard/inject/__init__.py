"""What do callers do when what they call errs, dawdles or answers wrongly? Injected on purpose, and off by default.

`policies` are the innermost policies of a guard; they add nothing until an experiment is switched on. `disturbances` is
the switch, and `control_file` lets an operator use it from outside. `permission` says whether this process may inject
at all.
"""
