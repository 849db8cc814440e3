"""Who is in charge now, and who no longer is?"""
