"""How hard a title is to encode, and what that makes of its ladder: per-title rungs, per-shot constant quality."""
