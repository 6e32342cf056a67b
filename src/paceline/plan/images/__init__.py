"""Memory, work and time of image generators: what the formulas for token models do not cover."""
