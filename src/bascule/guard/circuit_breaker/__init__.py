"""Circuit breakers: the table of states, what is remembered, the state machine, its options."""
