"""Reports: what a command has found on one HTML page, to read, to print and to hand on."""
