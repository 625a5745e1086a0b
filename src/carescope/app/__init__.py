"""Ways in: the command line. No logic, only calls."""
