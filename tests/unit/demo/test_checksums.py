"""Libraries that a build fetches without checksums of its own are held to a list."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from spanprofiles.demo.checksums import ChecksumError, check
from spanprofiles.demo.errors import DemoError
from spanprofiles.demo.fleet import FleetRegion, Libraries, go_region, java_region
from tests.support.repository import ROOT

OWN = "app/rideshare-1.0.0.jar"
LIBRARIES: Mapping[str, bytes] = {"agents/otel.jar": b"extension", "app/web-1.0.jar": b"web"}
ANOTHER = hashlib.sha256(b"another").hexdigest()

#: By what is done to the libraries: which files are there then, and what is said of it.
FAULTS: Mapping[str, tuple[Mapping[str, bytes], str]] = {
    "changed": ({**LIBRARIES, "app/web-1.0.jar": b"another"}, f"app/web-1.0.jar: its SHA-256 is {ANOTHER}, and"),
    "missing": ({"agents/otel.jar": b"extension"}, "app/web-1.0.jar: checksums.sha256 lists it, and it is not there"),
    "added": ({**LIBRARIES, "app/x.JAR": b"x"}, "app/x.JAR: checksums.sha256 does not list it"),
    "below": ({**LIBRARIES, "app/more/x.jar": b"x"}, "app/more/x.jar: checksums.sha256 does not list it"),
}


def line(path: str, content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}  {path}\n"


def built(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, Path]:
    """Return a list of the libraries, and a folder as a build leaves it, with these files and its own."""
    target = folder / "target"
    for path, content in {**files, OWN: b"made here"}.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
    listed = folder / "checksums.sha256"
    listed.write_text("".join(line(path, content) for path, content in sorted(LIBRARIES.items())))
    return listed, target


def region(listed: Path, target: Path) -> FleetRegion:
    return FleetRegion(
        name="sa-east",
        language="Java",
        folder=target.parent,
        made=target,
        tools=("java", "mvn"),
        build=("true",),
        command=(),
        start_s=1.0,
        environment=lambda *_: {},
        libraries=Libraries(listed, target, ("agents", "app"), (OWN,), "make lock-fleet"),
    )


def test_libraries_with_the_listed_content_are_taken(tmp_path: Path) -> None:
    listed, target = built(tmp_path, LIBRARIES)

    check(listed, target, ("agents", "app"), [OWN])
    region(listed, target).make()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_library_other_than_the_listed_one_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    files, said = FAULTS[fault]
    listed, target = built(tmp_path, files)

    with pytest.raises(DemoError) as refused:
        region(listed, target).make()

    first, *faults, advice = str(refused.value).splitlines()
    assert first.startswith("the region in Java is not started, because its libraries are not the pinned ones")
    assert len(faults) == 1
    assert faults[0].startswith(said)
    assert str(target) in advice
    assert "make lock-fleet writes the list anew" in advice


def test_all_libraries_that_differ_are_named_at_once(tmp_path: Path) -> None:
    listed, target = built(tmp_path, {"agents/otel.jar": b"another", "app/x.jar": b"x"})

    with pytest.raises(ChecksumError) as refused:
        check(listed, target, ("agents", "app"), [OWN])

    assert [said.partition(":")[0] for said in str(refused.value).splitlines()] == [
        "app/x.jar",
        "agents/otel.jar",
        "app/web-1.0.jar",
    ]


@pytest.mark.parametrize("text", ["", "abc  app/web-1.0.jar\n", f"{ANOTHER} app/web-1.0.jar\n", f"\n{ANOTHER}  x\n"])
def test_a_list_that_cannot_be_read_refuses_everything(tmp_path: Path, text: str) -> None:
    listed, target = built(tmp_path, LIBRARIES)
    listed.write_text(text)

    with pytest.raises(ChecksumError, match="each line must be a SHA-256, two spaces, and a path"):
        check(listed, target, ("agents", "app"), [OWN])


def test_without_a_list_nothing_is_taken(tmp_path: Path) -> None:
    listed, target = built(tmp_path, LIBRARIES)
    listed.unlink()

    with pytest.raises(ChecksumError, match=r"checksums\.sha256 cannot be read"):
        check(listed, target, ("agents", "app"), [OWN])


def test_modules_in_go_have_gos_own_checksums_and_libraries_in_java_a_list() -> None:
    java = java_region().libraries

    assert go_region().libraries is None
    assert (ROOT / "fleet/go/go.sum").is_file()
    assert java is not None
    assert java.checksums == ROOT / "fleet/java/checksums.sha256"


def test_the_committed_list_has_what_javas_region_asks_for_in_its_version() -> None:
    pom = (ROOT / "fleet/java/pom.xml").read_text(encoding="utf-8")
    paths = [path for _, path in map(str.split, (ROOT / "fleet/java/checksums.sha256").read_text().splitlines())]
    properties = dict(re.findall(r"<(opentelemetry\.version)>(.+)</", pom))
    dependencies = re.findall(
        r"<dependency>\s*<groupId>.+</groupId>\s*<artifactId>(.+)</artifactId>\s*<version>(.+)</version>\s*(?!<scope>test)<",
        pom,
    )
    versions = [(name, properties.get(version.strip("${}"), version)) for name, version in dependencies]
    items = re.findall(r"<artifactItem>\s*<groupId>.+</groupId>\s*<artifactId>(.+)</artifactId>", pom)

    assert len(versions) == 5
    assert {f"app/{name}-{version}.jar" for name, version in versions} <= set(paths)
    assert [path for path in paths if path.startswith("agents/")] == [f"agents/{name}.jar" for name in sorted(items)]
    assert paths == sorted(paths)
    assert OWN not in paths
    assert f"<version>{OWN.rpartition('-')[2].removesuffix('.jar')}</version>" in pom


def plugins_in(pom: str) -> list[tuple[str, str]]:
    """Return the plugins that a build runs, each with its version; a version that is not pinned is empty."""
    found = re.findall(r"<plugin>(.+?)</artifactId>\s*(?:<version>(.+?)</version>)?", pom, re.DOTALL)
    return [(text.rpartition("<artifactId>")[2], version) for text, version in found]


def test_maven_holds_its_plugins_to_a_list_before_it_runs_them() -> None:
    settings = (ROOT / "fleet/java/.mvn/maven.config").read_text(encoding="utf-8").split()
    checked = "-Daether.artifactResolver.postProcessor.trustedChecksums"
    listed = "-Daether.trustedChecksumsSource.summaryFile"

    assert settings == [
        f"{checked}=true",
        f"{checked}.checksumAlgorithms=SHA-256",
        f"{checked}.failIfMissing=true",
        f"{listed}=true",
        f"{listed}.originAware=false",
        f"{listed}.basedir=${{session.rootDirectory}}/.mvn",
    ]


def test_mavens_list_has_each_plugin_and_library_of_the_build_in_its_version() -> None:
    pom = (ROOT / "fleet/java/pom.xml").read_text(encoding="utf-8")
    lines = (ROOT / "fleet/java/.mvn/checksums.sha256").read_text(encoding="utf-8").splitlines()
    listed = {line.split("  ")[1].rpartition("/")[2]: line.split("  ")[0] for line in lines}
    libraries = map(str.split, (ROOT / "fleet/java/checksums.sha256").read_text(encoding="utf-8").splitlines())
    plugins = plugins_in(pom)

    assert len(plugins) == 6
    assert [name for name, version in plugins if f"{name}-{version}.jar" not in listed] == []
    assert [name for name, version in plugins if f"{name}-{version}.pom" not in listed] == []
    assert [path for digest, path in libraries if digest not in listed.values()] == []
    assert lines == sorted(lines, key=lambda line: line.split("  ")[1])
    assert all(re.fullmatch(r"[0-9a-f]{64}  \S+", line) for line in lines)


def lists_the_files(text: str) -> str:
    """Return the commands by which a text lists the files, as the folder's own."""
    (found,) = re.findall(r"find agents app .*sha256sum", text)
    return str(found)


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_the_image_is_built_with_the_listed_libraries_alone(tmp_path: Path, fault: str) -> None:
    files, said = FAULTS[fault] if fault else (LIBRARIES, "")
    _, target = built(tmp_path, files)
    dockerfile = (ROOT / "fleet/java/Dockerfile").read_text(encoding="utf-8")
    compares = dockerfile[dockerfile.index("find agents app") :].partition("\n")[0]

    built_with = subprocess.run(["sh", "-c", compares], cwd=target, capture_output=True, text=True, check=False)

    assert (built_with.returncode == 0) == (fault == "")
    assert said.partition(":")[0] in built_with.stdout
    assert built_with.stderr == ""


def test_the_list_is_written_as_the_image_compares_it() -> None:
    makefile, dockerfile = (ROOT / "Makefile").read_text(), (ROOT / "fleet/java/Dockerfile").read_text()

    assert lists_the_files(makefile) == lists_the_files(dockerfile)
