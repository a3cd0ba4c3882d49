"""The `.proto` files, and the modules that are generated of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from spanprofiles.embedded import proto

FOLDER = Path(proto.__file__).parent
SOURCE = FOLDER.parents[2]
FILES = sorted(FOLDER.glob("*.proto"))
NAMES = [file.stem for file in FILES]
BLOCK = re.compile(r"^(?:message|enum) (\w+) \{(.*?)\}", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"(\w+) = (\d+);")


def generated(name: str) -> FileDescriptor:
    descriptor: FileDescriptor = import_module(f"{proto.__name__}.{name}_pb2").DESCRIPTOR
    return descriptor


def _members(descriptor: FileDescriptor) -> dict[str, dict[str, int]]:
    messages = {
        message.name: {field.name: field.number for field in message.fields}
        for message in descriptor.message_types_by_name.values()
    }
    return messages | {
        enum.name: {value.name: value.number for value in enum.values}
        for enum in descriptor.enum_types_by_name.values()
    }


def test_there_are_files_to_look_at() -> None:
    assert NAMES == ["jfr_labels", "otlp_profiles", "pprof", "pyroscope", "status", "tempo"]


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_module_has_the_members_of_its_proto_file(name: str) -> None:
    text = re.sub("//.*", "", (FOLDER / f"{name}.proto").read_text())
    written = {
        block: {member: int(number) for member, number in MEMBER.findall(body)} for block, body in BLOCK.findall(text)
    }
    assert _members(generated(name)) == written


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_declares_what_the_generated_module_has(name: str) -> None:
    stub = (FOLDER / f"{name}_pb2.pyi").read_text()
    assert set(re.findall(r"^class (\w+)", stub, re.MULTILINE)) == set(_members(generated(name)))


def _protoc() -> list[str]:
    if find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    found = shutil.which("protoc")
    if found is None:
        pytest.skip("there is no protoc: pip install grpcio-tools to compare")
    return [found]


def _without_json_names(file: FileDescriptorProto) -> FileDescriptorProto:
    for message in file.message_type:
        for field in message.field:
            field.ClearField("json_name")
    return file


def test_the_generated_modules_are_what_protoc_makes_of_the_files(tmp_path: Path) -> None:
    made = tmp_path / "descriptors"
    command = [*_protoc(), f"-I{SOURCE}", f"--descriptor_set_out={made}", *map(str, FILES)]
    subprocess.run(command, check=True, timeout=60)
    for file in FileDescriptorSet.FromString(made.read_bytes()).file:
        descriptor = FileDescriptorProto()
        generated(Path(file.name).stem).CopyToProto(descriptor)
        assert _without_json_names(descriptor) == _without_json_names(file)


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_code_runs_with_the_oldest_protobuf_that_is_allowed(name: str) -> None:
    header = re.search(r"# Protobuf Python Version: (\S+)", (FOLDER / f"{name}_pb2.py").read_text())
    assert header is not None
    bound = re.search(r'"protobuf>=([\d.]+)"', (SOURCE.parent / "pyproject.toml").read_text())
    assert bound is not None
    assert bound[1] == header[1]
