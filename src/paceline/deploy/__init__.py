"""How many replicas, and what a fleet would have done: decisions only, no process, no socket."""
