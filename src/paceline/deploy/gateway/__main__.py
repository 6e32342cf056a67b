"""Command line of the gateway process, which a supervisor starts and restarts.

    python -m paceline.deploy.gateway --host 127.0.0.1 --port 8000 \\
        --control DIR/gateway.sock --state DIR [--tls-cert FILE --tls-key FILE]
        [--max-connections N] [--max-body-mib N]

- It prints `listening on PORT` on stdout once it takes connections (`--port 0` picks a free one).
- `--control` is a unix socket that it listens on (mode 0600): `deploy.gateway.control` is the
  client, `deploy.gateway.wire` has the messages. Any number of supervisors may connect in turn;
  each gets pulses from then on, and the last table that anyone sent is the one in force.
- `--state` (made if missing) holds `table.json`, the last table, by which a restarted gateway
  serves at once; `usage-*.jsonl`, the usage spool (`deploy.gateway.spool_reader`); and
  `gateway.lock`, so that two gateways never share a folder.
- SIGTERM and SIGINT: no new connections, requests under way may end (30 s at most), exit 0.
  SIGKILL at any time loses no line of the spool.
- Exit 3 with a message on stderr: the port, the control socket or the state folder is taken or
  unusable. Otherwise only events that an operator must know of go to stderr, never a key.
"""
