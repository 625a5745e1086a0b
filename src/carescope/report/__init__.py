"""What a person opens afterwards: one self-contained page, and the figures in it."""
