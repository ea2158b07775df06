"""Learning curves in closed form: plain, corrected for collisions, cavity, next token."""
