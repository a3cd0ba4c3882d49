"""OTLP: spans come in over HTTP or gRPC, in protobuf or JSON, and leave as rows for the store.

An export takes this way, from its body to its rows: ``http`` or ``grpc`` (the transports), ``receiver``, ``protobuf``
or ``json`` (the encodings), ``rows``, and then ``store.database``, ``store.writer`` and ``store.traces``.

Source: the OTLP specification 1.x, https://opentelemetry.io/docs/specs/otlp/.
"""
