"""What is sent to where a target runs, and holds a fault there until it is told to end, or not told to go on.

Nothing but the standard library of Python 3.9: what it needs it must find there.
"""
