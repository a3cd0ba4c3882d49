"""OTLP profiles: exports come in over HTTP or gRPC, in protobuf or JSON, and leave as profiles for the store.

An export takes this way: ``http`` here or ``otlp.grpc`` (the transports), ``receiver``, ``messages`` (the encodings),
``dictionary`` and ``conversion``, and then the same ``series`` as every profile.

Source: https://opentelemetry.io/docs/specs/otlp/, the field numbers of ``profiles.v1development``, and the answers of
Pyroscope 2.2.1.
"""
