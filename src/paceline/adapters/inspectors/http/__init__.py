"""What a runtime has inside, over HTTP."""

from paceline.adapters.inspectors.http.inspector import HttpInspector

__all__ = ["HttpInspector"]
