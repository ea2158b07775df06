"""The command `ktrans explore`: its page, the words on it and its exports."""
