"""The shop of docs/how-to/, under any server: SHOP_TELEMETRY names the module with its set-up."""

import os
import time
from importlib import import_module

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor

import_module(os.environ.get("SHOP_TELEMETRY", "telemetry")).start_tracing()
if "SHOP_AGENT_AT_IMPORT" in os.environ:
    import_module("telemetry").start_agent()

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app, excluded_urls="health")


def compare(first: str, second: str) -> int:
    return sum(one == other for _ in range(40_000) for one, other in zip(first, second, strict=False))


@app.get("/search")
def search() -> dict[str, int]:
    return {"alike": sum(compare("wite wale", title) for title in ("White Whale", "Red Sea", "Old Ship"))}


@app.get("/receipt")
def receipt() -> dict[str, bool]:
    time.sleep(0.4)  # for the bank
    return {"paid": True}


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ready": True}
