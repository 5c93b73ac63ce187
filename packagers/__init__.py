"""Renditions to an encrypted package for every player, and the proof that it plays."""
