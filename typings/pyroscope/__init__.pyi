# What is used of pyroscope-io, which comes without types.
from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import Enum

class LineNo(Enum):
    LastInstruction = ...
    First = ...
    NoLine = ...

class ProfilerImplementation(Enum):
    PySpy = ...
    Stack = ...

def configure(
    *,
    application_name: str | None = None,
    server_address: str = "http://localhost:4040",
    basic_auth_username: str = "",
    basic_auth_password: str = "",
    enable_logging: bool = False,
    sample_rate: int = 100,
    oncpu: bool = True,
    gil_only: bool = True,
    report_pid: bool = False,
    report_thread_id: bool = False,
    report_thread_name: bool = False,
    tags: Mapping[str, str] | None = None,
    tenant_id: str | None = "",
    http_headers: Mapping[str, str] | None = None,
    line_no: LineNo = ...,
    upload_interval: int = 10,
    cpu_implementation: ProfilerImplementation = ...,
) -> bool: ...
def shutdown() -> bool: ...
def add_thread_tag(key: str, value: str) -> bool | None: ...
def remove_thread_tag(key: str, value: str) -> bool | None: ...
def tag_wrapper(tags: Mapping[str, str]) -> AbstractContextManager[None]: ...
