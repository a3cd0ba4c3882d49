"""JFR, Java's Flight Recorder files, as the Java agent sends them to ``/ingest?format=jfr``.

An upload takes this way: ``upload`` (the form), ``chunks`` (with their events), ``metadata`` and ``constants`` (what
a chunk says of its types and its stacks), ``primitives`` (numbers and texts), ``conversion`` (samples), and then the
same ``series`` as every profile.

Source: the chunks that async-profiler and JDK 17 write, github.com/grafana/jfr-parser for what Pyroscope takes of them,
and the recorded answers of Pyroscope 2.2.1.
"""
