"""What is the system, and what was promised? One file describes both; `load` reads it or says everything that is wrong."""
