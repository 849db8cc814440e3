"""How do facts become logs, metrics and traces?"""
