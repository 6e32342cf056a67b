"""Stage 1: text → Request. Flags, a YAML file and plain words, each by a closed grammar."""
