"""The tests of aiohttp that fail over `compat` on purpose, each with its reason.

docs/compat.md tells the same in words.
"""

CLIENT = "test_client_ws_functional.py"
SERVER = "test_web_websocket_functional.py"

#: By file and name.
DIFFERENCES = {
    (CLIENT, "test_override_default_headers"): (
        "It sends and accepts version 8 of the protocol, a draft. RFC 6455 4.1 and 4.2.1: 13."
    ),
    (CLIENT, "test_recv_protocol_error"): (
        "It compares the text of the error. Type and code are the same, the text names the rules."
    ),
    (CLIENT, "test_stashed_frames_survive_connection_loss"): (
        "It closes aiohttp's transport and wants the loss at once. Here it lingers for the peer."
    ),
    (CLIENT, "test_stalled_parser_outlives_connection_lost"): (
        "It feeds bytes to aiohttp's own protocol, which has nothing to do with the session."
    ),
    (SERVER, "test_stalled_parser_outlives_connection_lost"): (
        "It feeds bytes to aiohttp's own protocol, which has nothing to do with the session."
    ),
    (SERVER, "test_heartbeat_connection_closed"): (
        "It has the transport's write raise. Plain TCP is written past the transport."
    ),
}
