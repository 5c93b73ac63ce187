"""The title registry: titles, their progress, their live pointer, and the queue of encode jobs."""
