"""Experiments of several faults: a timeline under load, with its limits, its expectation and its grades."""
