"""When is the system broken on purpose next, and does it keep its promises as well as it did?"""
