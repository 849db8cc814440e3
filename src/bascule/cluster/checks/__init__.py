"""May this node be chosen? What says whether its service works, and how far its data is behind."""
