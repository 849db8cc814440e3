"""What does a prediction look like: in a terminal, as a page, as JSON?"""
