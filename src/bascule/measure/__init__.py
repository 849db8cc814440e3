"""What did the client see? Open-loop load, one record per operation, and everything that can be judged from the records."""
