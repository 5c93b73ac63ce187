"""The embedded stack: every server Telecine needs, on this machine, under one supervisor."""
