"""What runs outside the lab, on this machine and on others, and what can be done to it without leaving a trace?"""
