"""How does one call survive?"""
