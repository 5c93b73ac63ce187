"""The release board: pages and REST interface for release managers and content ops, in one ASGI application."""
