"""What follows whoever is in charge: addresses, proxies, names, routes, services."""
