"""The command `ktrans reproduce` and its page."""
