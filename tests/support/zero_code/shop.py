"""A Flask app that knows nothing of tracing or profiling."""

from flask import Flask
from work import bake

app = Flask(__name__)


@app.get("/bread")
def bread():
    return bake()
