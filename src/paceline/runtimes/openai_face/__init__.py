"""The OpenAI-compatible face that our own engine servers share: HTTP, checks, streaming, draining.

A server brings an engine and a codec (see `generation`) and calls `Server.serve`. Runs inside
engine environments and needs only httptools there.
Not covered: images, tools, TLS, keys. The gateway stands in front of it for those.
"""
