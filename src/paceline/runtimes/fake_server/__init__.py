"""An engine that computes nothing: set timings, set accuracy, set faults, behind a real server.

It is a real process with real sockets, so that everything around an engine can be tested in
seconds. Its answers and its speed say nothing about any model.
"""
