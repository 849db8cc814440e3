"""Where do leases live? One port, and an adapter for each consensus store that may be trusted with them."""
