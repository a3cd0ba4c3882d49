"""TraceQL for searches: a grammar, a syntax tree, a filter over the store's traces, an evaluation of what they find.

Source: https://grafana.com/docs/tempo/latest/traceql/ and the behaviour of Tempo 3.0.3, whose search has two layers:
a storage layer fetches the spans that meet the query's conditions, and an engine evaluates the query on those. Some
answers depend on that division, so it is kept here: ``conditions`` and ``fetcher`` are the first layer, ``evaluation``
the second.
"""
