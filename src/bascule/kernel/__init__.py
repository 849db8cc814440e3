"""The words that all rooms speak: quantities, clock and dice ports, facts, errors. Standard library only."""
