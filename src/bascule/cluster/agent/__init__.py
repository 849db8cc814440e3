"""What runs on each node: the decisions, carried out."""
