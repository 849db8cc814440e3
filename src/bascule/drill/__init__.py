"""Did the system keep its promise? Composes lab, chaos and measure into a trial, and trials into a report."""
