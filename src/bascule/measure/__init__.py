"""What did the client see? Open-loop load, one record per operation, and all that can be judged from them."""
