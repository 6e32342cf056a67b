"""A server whose timing is set and known: the truth that load clients are checked against.

Run as `python -m paceline.testing.golden_server`. It stamps requests with the kernel's time of
their bytes, sends every token when it is due on one absolute schedule, and logs when it really
did. It shares no code with the client.
"""
