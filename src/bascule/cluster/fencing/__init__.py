"""How is a node that may have lost its lease surely kept from acting?"""
