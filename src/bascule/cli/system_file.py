"""Where the commands read a system file: checked to the end, by its own rules and those of every engine."""

from bascule.drill.system_file import load_checked, with_experiments

__all__ = ["load_checked", "with_experiments"]
