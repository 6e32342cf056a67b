"""Ends a server only when it has nothing in flight."""
