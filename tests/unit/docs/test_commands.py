"""Each command that a page gives to its reader is run by a test, or marked as run by none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.documentation import ROOT, Page, pages

EXAMPLES = (
    "tests/integration/test_examples.py::test_the_example_links_its_spans_and_the_doctor_names_what_breaks_its_twin"
)
TOUR = "tests/integration/test_the_tour_of_the_demo.py"
TUTORIAL = "tests/integration/test_tutorial.py"
STACK = (
    "tests/integration/test_stack.py::test_the_stack_comes_up_and_goes_and_a_running_one_of_the_default_name_survives"
)
MAKE_TEST = "tests/integration/test_readme.py::test_make_test_is_what_ci_runs_and_runs_everything"
BY_HAND = f"{TUTORIAL}::test_the_same_by_hand_shows_the_flame_graph_and_satisfies_the_doctor"
INSTALL = (
    "tests/integration/test_installing.py::test_the_tutorials_line_installs_todays_releases_and_its_project_passes"
)

SLOW_CHANGE = (
    "tests/integration/test_slow_commit.py::test_the_gate_and_both_comparisons_name_the_function_of_a_slow_change"
)
SLOW_ACTION = "tests/integration/test_slow_commit.py::test_the_actions_steps_end_with_the_verdict_and_keep_one_comment"

RUN_BY = {
    r"make demo": f"{TOUR}::test_make_demo_prints_what_the_pages_show",
    r"\.venv/bin/spanprofiles (verify|show|link|doctor) .*|curl http://127\.0\.0\.1:5001/scooter": (
        f"{TOUR}::test_the_commands_to_go_on_with_work_while_it_runs"
    ),
    r"\.venv/bin/spanprofiles ui --port 0": f"{TOUR}::test_the_page_is_served_by_itself",
    r"\.venv/bin/spanprofiles demo --once --fault slow-search": (
        "tests/integration/test_demo.py::test_the_fault_of_a_slow_search_is_told_with_the_guilty_function"
    ),
    r"RIDESHARE_FAULTS=no-agent make demo": (
        "tests/integration/test_a_broken_demo.py::test_it_says_that_links_are_dead_and_which_faults_are_on"
    ),
    r"spanprofiles workshop (start|status --json)": (
        "tests/integration/test_workshop.py::test_from_the_first_check_to_solved_on_its_servers_and_page"
    ),
    r"spanprofiles workshop board( --page)?": (
        "tests/integration/test_workshop.py::test_two_learners_of_one_name_on_shared_servers_are_on_the_board"
    ),
    r"make fleet": (
        "tests/integration/test_more_of_the_fleet.py::test_make_fleet_shows_an_order_that_passes_through_all_languages"
    ),
    r"COMPOSE_PROFILES=fleet make up": (
        "tests/integration/test_stack.py::test_with_the_fleet_one_order_passes_through_three_languages"
    ),
    r"make test|make install": MAKE_TEST,
    r"\.venv/bin/pytest tests/unit/model/test_trace\.py|\.venv/bin/pytest tests/integration -k \w+": (
        "tests/integration/test_documented_commands.py::test_one_test_is_run_as_the_page_for_contributors_says"
    ),
    r"make (up|down)": STACK,
    r"make dist": (
        "tests/unit/packages/test_make_dist.py"
        "::test_it_puts_a_wheel_and_a_source_distribution_of_each_package_into_dist"
    ),
    r"spanprofiles demo": (
        "tests/integration/test_distributions.py::test_the_harness_runs_its_demo_in_an_empty_folder_without_a_clone"
    ),
    r"make bench": ("tests/integration/test_documented_commands.py::test_make_bench_measures_and_says_against_what"),
    r"make integration BACKEND=native": (
        "tests/integration/test_documented_commands.py::test_the_integration_tests_run_on_another_backend"
    ),
    r"\.venv/bin/spanprofiles serve --tempo-port 0 --otlp-http-port 0 --pyroscope-port 0": (
        "tests/integration/test_documented_commands.py::test_serve_runs_until_it_is_stopped"
    ),
    r"mkdir shop|cd shop|python3 -m venv \.venv|\. \.venv/bin/activate|pip install PATH_OF_THIS_REPOSITORY.*": INSTALL,
    r"flask --app shop run --port 8000": f"{TUTORIAL}::test_the_app_answers_before_it_has_any_telemetry",
    r"cd examples/\w+|pytest": EXAMPLES,
    r"spanprofiles serve|export .*|python main\.py 8000|spanprofiles verify 'http://127.*|spanprofiles ui": BY_HAND,
    r"spanprofiles doctor --service shop --probe --otlp http://127\.0\.0\.1:4318|spanprofiles doctor --trace \w{32}": (
        BY_HAND
    ),
    r"pytest --span-profiles-backend=native": f"{TUTORIAL}::test_the_same_test_passes_on_real_servers",
    r"pytest --span-profiles-(record|baseline)=before.*|spanprofiles compare before after .*|spanprofiles ab .*": (
        SLOW_CHANGE
    ),
    r"spanprofiles record span-profiles/.*|spanprofiles compare span-profiles/.*": SLOW_ACTION,
    r"pytest --junitxml=report\.xml .*": (
        "tests/integration/test_pytest_page.py::test_its_tests_pass_and_their_negative_twin_does_not"
    ),
}
"""By the form of a command: the test that runs it."""


def documented() -> Iterator[tuple[Page, str]]:
    for page in pages():
        for command in page.commands:
            yield page, command


def forms_of(command: str) -> list[str]:
    return [form for form in RUN_BY if re.fullmatch(form, command)]


def test_each_command_of_each_page_is_run_by_a_test_or_marked() -> None:
    assert [f"{page}: {command}" for page, command in documented() if not forms_of(command)] == []


def test_no_command_is_said_to_be_run_that_no_page_has() -> None:
    used = {form for _, command in documented() for form in forms_of(command)}

    assert set(RUN_BY) == used


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_the_test_that_runs_it_is_there(test: str) -> None:
    file, _, name = test.partition("::")

    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_a_command_is_marked_only_with_a_reason() -> None:
    reasons = [reason for page in pages() for reason in re.findall(r"<!-- No test runs this(.*?)-->", page.text)]

    assert reasons
    assert [reason for reason in reasons if not re.search(r": \w.*\.", reason)] == []


def test_a_command_that_is_neither_run_nor_marked_is_noticed() -> None:
    assert forms_of("spanprofiles doctor --trust-me") == []
