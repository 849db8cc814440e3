"""Bascule: high availability that is proved, not hoped for."""

__version__ = "0.1.0"
