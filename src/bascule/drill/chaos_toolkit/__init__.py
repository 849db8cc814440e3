"""What of an experiment can be said in Chaos Toolkit's format, and what of that format can be said in ours?"""
