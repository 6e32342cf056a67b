"""The data plane: one process between clients and replicas, on uvloop and httptools.

It covers the HTTP contract of the inference routes, keys and limits, queues, routing and metering.
It does not decide how many replicas there are, start any, or know SQL: a supervisor tells it what
to serve by (`records.gateway.Table`) and reads what it wrote (`control`, `spool_reader`).
"""
