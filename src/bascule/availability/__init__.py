"""How available can it be, where does it break, what would help most?"""
