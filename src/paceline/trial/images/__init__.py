"""Pictures as answers: reading them, comparing them, telling garbage."""
