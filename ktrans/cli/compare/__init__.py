"""The command `ktrans compare`, its text and its page."""
