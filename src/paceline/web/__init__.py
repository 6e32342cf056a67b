"""The management API: what the command line can do with a running Paceline, over HTTP."""
