"""The process behind `paceline serve`: keeps replicas as they are wanted, and the gateway told."""
