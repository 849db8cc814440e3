"""What can break, and how is it surely undone? Faults are witnessed when they act and journalled before they act."""
