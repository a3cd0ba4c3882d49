"""A gRPC server, and no HTTP: what it is asked for it computes on threads of its own. Run: python greeter.py ADDRESS"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pyroscope
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanprofiles_processor import SpanProfileProcessor, carry

pool = ThreadPoolExecutor(2)


def compose_greeting(count=900_000):
    return sum(number * number % 7 for number in range(count))


def hand_over(work):
    return work if os.environ.get("GREETER_CARRIES") == "nothing" else carry(work)


def greet(request, context):
    pool.submit(hand_over(compose_greeting)).result()
    return b"hello " + request


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(SpanProfileProcessor())
    trace.set_tracer_provider(provider)
    pyroscope.configure(
        application_name=os.environ["OTEL_SERVICE_NAME"],
        server_address=os.environ["PYROSCOPE_SERVER_ADDRESS"],
        upload_interval=int(os.environ.get("PYROSCOPE_UPLOAD_INTERVAL", "10")),
    )
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[server_interceptor()])
    handlers = {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Greeter", handlers)])
    server.add_insecure_port(sys.argv[1])
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
