"""Uploads from a browser: parts straight to the S3 store, the check of what arrived, the plan, the start."""

from board.uploads.endpoints import router

__all__ = ["router"]
