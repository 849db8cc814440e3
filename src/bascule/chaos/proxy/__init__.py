"""What does a client see when the way to a server is bad? A TCP proxy with toxics, for systems outside the lab."""
