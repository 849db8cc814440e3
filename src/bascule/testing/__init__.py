"""How does an application's own test suite break what the application depends on?"""
