"""Where does the system run, and what can be done to its hosts? The lab: real programs, on hosts of its own."""
