"""The population operator: its eigenvalues by representation, and what follows from them."""
