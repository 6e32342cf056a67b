"""One file per policy: a window of traffic and a fleet in, a count and its reason out."""
