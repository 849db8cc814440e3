"""May this process take traffic?"""
