"""Where does the system run, and what can be done to its hosts? The lab: real programs, on this machine, as real hosts."""
