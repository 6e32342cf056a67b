"""Everything that could be deployed, predicted without any hardware."""
