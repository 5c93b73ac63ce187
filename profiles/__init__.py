"""What to make: ladders, audio rungs, packaging."""
