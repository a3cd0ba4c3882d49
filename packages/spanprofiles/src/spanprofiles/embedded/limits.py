"""The limits of what reaches the pair: connections, bodies, messages and memory. Each is named once, here."""

from __future__ import annotations

import resource

KIBIBYTE, MEBIBYTE = 2**10, 2**20

# Connections over HTTP.
CONNECTIONS = 1_000
"""Open connections, over all three ports; fewer where the process has few file descriptors."""
OTHER_DESCRIPTORS = 128
"""File descriptors that are left for the store's connections, for gRPC and for the process itself."""
DESCRIPTORS_EACH = 2
"""File descriptors that a connection may need: its socket, and a file for a large body."""
LEAST_CONNECTIONS = 8
IDLE_S = 60
"""A connection is closed when nothing has happened on it for that long."""
HEADER_S = 10.0
"""From the first byte of a request to the end of its header."""
BODY_S = 30.0
"""From the first byte of a request to the end of its body."""
ANSWER_S = 60.0
"""For how long a client may leave an answer unread."""
READING_S = 5.0
"""The same, where its place is wanted, or unread answers take more than UNSENT_BYTES."""
LINGER_S = 5.0
"""For how long the rest of a refused body is read and thrown away, so that the sender sees the answer."""
ACCEPT_PAUSE_S = 0.2
"""For how long no connection is accepted after the system had no room for one."""
BUSY_S = 1.0
"""A connection gives up its place only when its header takes longer than that, or its body pauses for that long."""

# Bodies.
HEADER_BYTES = 64 * KIBIBYTE
"""The largest header of a request, its first line included."""
HEADER_FIELDS = 100
PIPELINED_REQUESTS = 16
"""Requests on one connection that are sent before the answers to those before them are there."""
CHUNK_LINE_BYTES = 4 * KIBIBYTE
"""The longest line between two chunks of a body, and the longest trailer after them."""
CHUNK_FRAMING_BYTES = 64 * KIBIBYTE
"""What the lines between the chunks may take more than what is in them."""
BODY_BYTES = 32 * MEBIBYTE
"""The largest body of a request, compressed or not."""
IN_MEMORY_BYTES = 64 * KIBIBYTE
"""What is held of one body in memory while it arrives; the rest goes to a temporary file."""
WAITING_BODIES_BYTES = 256 * MEBIBYTE
"""What is held of all bodies that arrive or wait, in memory and in temporary files."""
INFLATION = 250
"""How many times as large as it came a body may become, once it is larger than INFLATION_FREE_BYTES."""
INFLATION_FREE_BYTES = 4 * MEBIBYTE
FIRST_INFLATION = 20
"""The same for a first attempt, where the size is only known afterwards."""
GZIP_MEMBERS = 1_000
"""How many gzip files one body may be put together of."""
LIGHT_BYTES = 8 * MEBIBYTE
"""Requests that are expected to take more memory than that are worked on one after the other."""
MESSAGE_BYTES = 100
"""About how much memory one message of a body takes."""
LARGE_WAITING = 4
"""How many of them may wait, each of which takes a thread; more are sent away at once."""
LARGE_PATIENCE_S = 5.0
"""How long one waits."""
RETRY_S = 1
"""What ``Retry-After`` says where the pair is busy."""

# Queries.
QUERIES_AT_ONCE = 2
"""Queries that are worked on at once; what is taken in has threads of its own."""
QUERIES_RESERVED = 1
"""Queries that are worked on besides, of connections whose last answers were good ones."""
QUERIES_WAITING = 64
"""Queries that may wait for their turn; more are answered with 503."""
QUERY_WAIT_S = 5.0
"""How long a query may wait for its turn, and half of ``--query-timeout`` at most; then it is answered with 503."""
UNSENT_BYTES = 256 * MEBIBYTE
"""Answers that their clients have not read yet; no query begins while there are more."""

# Who goes first.
GOOD_ANSWERS = 3
"""A connection goes before new ones after that many good answers in a row."""
OTHERS_WAIT_S = 0.02
"""How long a request waits for those that go first, at most: to be read, and then to be begun."""
OTHERS_TURN_S = 0.005
"""How long requests are then read that others sent, before it is looked again whether somebody goes first."""
SHORT_QUERY_S = 0.1
"""A query that takes longer makes way for all uploads, even if its connection is known."""

# What is in an export of traces.
SPANS = 50_000
MESSAGES = 500_000
"""Resources, scopes, spans, attributes, values, events and links together."""
JSON_VALUES = 400_000
"""Objects, lists and their members in JSON, as far as brackets and commas tell."""

# OTLP over gRPC.
GRPC_CONNECTIONS = 100
GRPC_STREAMS = 100
"""Calls under way on one connection; a client waits with more."""
GRPC_CALLS = 256
"""Calls under way or waiting in all; more are refused with RESOURCE_EXHAUSTED."""
GRPC_THREADS = 16
"""Calls that are read or worked on at once."""
GRPC_BODY_BYTES = 16 * MEBIBYTE
"""The largest message, compressed or not."""
GRPC_IDLE_S = 60
GRPC_AGE_S = 3_600
"""A connection is closed at that age, or when it had no call for GRPC_IDLE_S; clients open another."""
GRPC_GRACE_S = 30
"""For how long calls under way may go on after that."""
GRPC_HANDSHAKE_S = 10

# Tempo's queries over gRPC.
STREAMING_CONNECTIONS = 64
"""Connections for queries over gRPC, of those over HTTP; then the one that has been idle longest is closed."""
STREAMING_STREAMS = 16
"""Calls under way on one connection; a client waits with more."""
STREAMING_CALLS = 32
"""Calls under way or waiting in all; more are refused with RESOURCE_EXHAUSTED."""
STREAMING_RESERVED = 16
"""Calls besides, on connections whose last answers were good ones."""
STREAMING_REQUEST_BYTES = 256 * KIBIBYTE
"""The largest request, compressed or not."""
STREAMING_REQUEST_S = 10.0
"""From the header of a call to the end of its request."""
STREAMED_MESSAGE_BYTES = MEBIBYTE
"""The largest message of an answer, but for one that has a single trace, name or series."""
TUNNEL_BYTES = 256 * KIBIBYTE
"""What one connection may hold in each direction that the other side has not taken."""
PROGRESS_S = 0.5
"""How often a call receives the progress of its query."""

# What is acknowledged before it is indexed.
KEPT_UPLOAD_BYTES = 64 * KIBIBYTE
"""The largest upload that is kept as it came; a larger one is indexed before it is acknowledged."""
BACKLOG_BYTES = 8 * MEBIBYTE
"""Where more than that is to be indexed, uploads are taken no faster than they are indexed."""
BACKLOG_STEP_BYTES = 256 * KIBIBYTE
"""How much is indexed in one transaction, while other uploads wait to be kept."""

# Tokens.
TOKEN_CHARACTERS = 16
"""The shortest token that is accepted as one."""
FREE_GUESSES = 100
"""Wrong tokens that one address may send within GUESSES_S before it is slowed down."""
GUESSES_S = 60.0
GUESS_DELAY_S = 1.0
"""How long the answer to each further wrong token takes."""
SLOWED_CONNECTIONS = 64
"""How many connections may wait for such an answer; more are closed."""
GUESSERS = 1_000
"""For how many addresses wrong tokens are counted."""

# The processor.
TURN_S = 0.0002
"""How long one thread computes while another waits; Python's own 5 ms add up over the steps of a request."""
GARBAGE_OBJECTS = 5_000
"""After so many new objects Python looks for garbage among them; with its own 700, that takes three times as long."""

# The log.
LOG_LINES = 10
"""Lines of one kind within LOG_S; more are counted and told with the next."""
LOG_S = 60.0


def connection_limit() -> int:
    """How many connections may be open over HTTP, by the file descriptors that this process may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(LEAST_CONNECTIONS, min(CONNECTIONS, (descriptors - OTHER_DESCRIPTORS) // DESCRIPTORS_EACH))
