"""Replicas that share all labels: named where that loses samples, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from spanprofiles.doctor import Cause, Finding, Verdict
from spanprofiles.doctor.hops import link
from spanprofiles.doctor.observations import Link
from spanprofiles.doctor.processes import ProcessLabel
from spanprofiles.model import CPU
from spanprofiles.model.languages import LANGUAGES
from tests.support.doctor import SERVICE, a_span, facts, linked, profiled, unlinked, uploads

JAVA = {"telemetry.sdk.language": "java"}
LABELS = {"service_name": SERVICE, "__profile_type__": CPU, "pyroscope_spy": "javaspy", "jfr_event": "itimer"}
ORDERS = 10


def replica(
    name: str, *, until_s: float = 40.0, resource: Mapping[str, str] | None = None, has_samples: bool = True
) -> list[Link]:
    """Spans of a process, one a second, the last of them ``until_s`` ago."""
    own = {**(JAVA if resource is None else resource), "service.instance.id": name}
    spans = [a_span(ago_s=until_s + index, resource=own) for index in range(ORDERS)]
    return [linked(span) if has_samples else unlinked(span) for span in spans]


def judged(links: Iterable[Link], *series: Mapping[str, str], signs: Iterable[Mapping[str, str]] = ()) -> Finding:
    return link.judge(facts(*links, profiles=profiled(series=series or (LABELS,), signs=tuple(signs))))


def test_replicas_with_the_same_labels_in_java_are_named_with_what_to_do() -> None:
    shared = {**LABELS, "region": "north"}

    found = judged([*replica("a"), *replica("b"), *replica("c")], shared, {**shared, "span_name": "GET"})

    assert found.verdict is Verdict.DOUBTFUL
    assert "3 processes ran side by side, and their profiles have 1 set(s) of labels" in found.evidence[-1]
    assert found.evidence[-1].endswith(": region=north")
    assert "PYROSCOPE_LABELS=hostname=NAME" in found.advice
    assert len(found.seen["processes_with_too_few_labels"]) == 3


def test_of_three_replicas_with_two_sets_of_labels_two_share_one() -> None:
    found = judged([*replica("a"), *replica("b"), *replica("c")], {**LABELS, "zone": "1"}, {**LABELS, "zone": "2"})

    assert found.verdict is Verdict.DOUBTFUL
    assert found.evidence[-1].endswith("2 set(s) of labels to tell them apart: zone=1; zone=2")


def test_a_loss_that_is_seen_already_stays_what_it_is_and_gets_this_advice_first() -> None:
    gone = [unlinked(span.span) for span in replica("a", until_s=90.5)]

    found = judged([*replica("a"), *replica("b"), *gone])

    assert found.verdict is Verdict.BROKEN
    assert found.advice.startswith("give each process a label of its own")
    assert LANGUAGES["java"].unlabelled in found.advice


def test_a_replica_whose_samples_are_nearly_all_lost_is_named_too() -> None:
    first, *others = replica("b")

    found = judged([*replica("a"), first, *(unlinked(other.span) for other in others)])

    assert found.seen["processes_with_too_few_labels"] == ["service.instance.id=a", "service.instance.id=b"]
    assert found.advice.startswith("give each process a label of its own")


@pytest.mark.parametrize(
    ("other", "cause"), [("b", Cause.UNCLEAR), ("a", Cause.WAITING)], ids=["two replicas", "one process"]
)
def test_a_span_of_such_replicas_is_not_said_to_have_waited(other: str, cause: Cause) -> None:
    silent = unlinked(a_span("GET /receipt", ms=400, ago_s=45.5, resource={**JAVA, "service.instance.id": "a"}))
    known = facts(*replica("a"), *replica(other), silent, profiles=profiled(series=(LABELS,)))

    (explanation,) = known.explanations

    assert explanation.cause is cause
    assert ("its samples were lost" in explanation.sentence) == (cause is Cause.UNCLEAR)


def test_a_replica_whose_samples_are_all_lost_is_dead_or_shares_its_labels() -> None:
    lost = replica("b", has_samples=False)

    of_java = judged([*replica("a"), *lost])
    with_labels = link.judge(
        facts(
            *replica("a"),
            *lost,
            process_label=ProcessLabel("service.instance.id", "instance"),
            series=[uploads(instance="a")],
        )
    )

    assert of_java.verdict is Verdict.BROKEN
    assert "if it does run there, give each process a label of its own" in of_java.advice
    assert with_labels.verdict is Verdict.BROKEN
    assert "label of its own" not in with_labels.advice


@pytest.mark.parametrize(
    "replicas",
    [
        pytest.param([*replica("a")], id="there is one"),
        pytest.param([*replica("a", until_s=40), *replica("b", until_s=60)], id="one took over from the other"),
        pytest.param([*replica("a"), *replica("b", has_samples=False)], id="one alone has profiles"),
        pytest.param(
            [*replica("a", resource={"telemetry.sdk.language": "go"}), *replica("b")], id="the other is in Go"
        ),
        *(
            pytest.param(
                [link for name in "abc" for link in replica(name, resource={"telemetry.sdk.language": language})],
                id=f"all are in {language}",
            )
            for language in ("python", "go", "dotnet", "ruby")
        ),
        pytest.param([*replica("a", resource={}), *replica("b", resource={})], id="nothing tells the language"),
    ],
)
def test_nothing_is_said_where_no_loss_is_known(replicas: list[Link]) -> None:
    assert "processes_with_too_few_labels" not in judged(replicas).seen


@pytest.mark.parametrize("label", ["hostname", "pod", "instance"])
def test_nothing_is_said_of_replicas_that_any_label_tells_apart(label: str) -> None:
    found = judged([*replica("a"), *replica("b")], {**LABELS, label: "1"}, {**LABELS, label: "2"})

    assert found.verdict is Verdict.OK
    assert found.advice == ""


def test_nothing_is_said_of_replicas_that_a_label_with_a_dot_tells_apart() -> None:
    signs = [{"pyroscope_spy": "javaspy", "service.instance.id": name} for name in "ab"]

    assert judged([*replica("a"), *replica("b")], signs=signs).verdict is Verdict.OK
    assert judged([*replica("a"), *replica("b")], signs=signs[:1]).verdict is Verdict.DOUBTFUL


def test_labels_of_another_languages_profiles_do_not_tell_replicas_in_java_apart() -> None:
    go = {"service_name": SERVICE, "__profile_type__": CPU, "pyroscope_spy": "gospy", "hostname": "1"}

    assert judged([*replica("a"), *replica("b")], LABELS, go).verdict is Verdict.DOUBTFUL


def test_where_no_series_is_known_nothing_is_said() -> None:
    known = facts(*replica("a"), *replica("b"), profiles=profiled(series=()))

    assert "processes_with_too_few_labels" not in link.judge(known).seen
