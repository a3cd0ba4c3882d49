"""A Flask app that knows nothing of tracing or profiling."""

from flask import Flask

app = Flask(__name__)


def plan_route(count=3_000_000):
    return sum(number * number % 7 for number in range(count))


@app.get("/route")
def route():
    return {"kilometres": plan_route()}


@app.get("/health")
def health():
    return "ready"
