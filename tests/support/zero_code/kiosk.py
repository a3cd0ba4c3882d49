"""A FastAPI app that knows nothing of tracing or profiling."""

from fastapi import FastAPI
from work import bake

app = FastAPI()


@app.get("/bread")
async def bread():
    return bake()
