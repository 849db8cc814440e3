"""How likely does a fault tree fail, through what, and what matters most in it?"""
