"""What variants on the machine at hand should do, and what earlier trials on it teach."""
