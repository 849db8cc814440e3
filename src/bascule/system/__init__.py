"""What is the system, and what was promised? One file describes both; `load` reads it or says all that is wrong."""
