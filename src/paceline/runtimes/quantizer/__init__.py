"""Makes one checkpoint with llmcompressor, inside its environment."""
