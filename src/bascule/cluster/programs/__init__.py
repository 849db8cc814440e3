"""Programs that are run for a group: each within its limit of time, its output bounded, and none left behind."""
