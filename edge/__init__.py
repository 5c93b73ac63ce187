"""The edges: appliances that hold verified copies of what was published, and serve them to viewers."""
