"""A store that forgets: for tests and for trying things out."""

from paceline.adapters.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
