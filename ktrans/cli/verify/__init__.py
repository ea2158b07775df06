"""The command `ktrans verify` and its page."""
