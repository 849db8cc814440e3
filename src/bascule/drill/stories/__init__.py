"""Published failures, re-enacted: each a small system with one experiment, run by name with `bascule drill --story`."""
