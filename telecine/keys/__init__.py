"""Content keys: the port, its two providers (local, SPEKE), the master key they are sealed under."""
