"""What in the configuration contradicts the promise? Rules that read the system and the files next to it."""
