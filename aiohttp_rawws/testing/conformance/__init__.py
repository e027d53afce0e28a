"""Conformance: does an echo server, or an echo client, keep the rules of RFC 6455?

A `Case` is a value: what is sent, and what the peer may do then. A `Conversation` takes its steps,
`judge` compares what was seen. Nothing here knows which program the peer is.
"""
