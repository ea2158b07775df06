"""One file per figure or claim."""
