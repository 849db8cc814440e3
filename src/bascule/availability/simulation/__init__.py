"""How do months of a system differ?"""
