"""The command `ktrans spectrum`, its text and its page."""
