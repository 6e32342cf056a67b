"""Models in object storage or anywhere else that fsspec reaches."""

from paceline.adapters.hub.object_store.store import ObjectStore

__all__ = ["ObjectStore"]
