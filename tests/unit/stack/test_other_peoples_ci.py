"""The action and the template for other people's CI, which no service has run: they obey the rules."""

from __future__ import annotations

import pytest

from tests.support.stack.ci_rules import ACTION, ACTION_RULES, TEMPLATE, TEMPLATE_RULES, Rule

ACTION_TEXT = ACTION.read_text(encoding="utf-8")
TEMPLATE_TEXT = TEMPLATE.read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", ACTION_RULES, ids=lambda rule: rule.__name__)
def test_the_action_obeys(rule: Rule) -> None:
    assert list(rule(ACTION_TEXT)) == []


@pytest.mark.parametrize("rule", TEMPLATE_RULES, ids=lambda rule: rule.__name__)
def test_the_template_obeys(rule: Rule) -> None:
    assert list(rule(TEMPLATE_TEXT)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("using: composite", "using: docker", "it is no composite action"),
        ("runs:\n", "jobs: {}\nruns:\n", "jobs is not a key of an action"),
        ("      shell: bash\n      run: python", "      run: python", "the step 'install spanprofiles' says no shell"),
        ("      id: compare\n", "      needs: compare\n", "needs is not a key of a step"),
        ("043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1", "v7", "is not pinned to a commit"),
        (
            "      THRESHOLD: ${{ inputs.threshold }}\n",
            "      LIMIT: ${{ inputs.threshold }}\n",
            "nothing sets THRESHOLD",
        ),
        ('--threshold "$THRESHOLD"', "--threshold ${{ inputs.threshold }}", "an expression within a command"),
        ("inputs.base }}", "inputs.bases }}", "there is no input bases"),
        ("${{ inputs.base }}", "main", "base is used nowhere"),
        ("--setup", "--set-up", "record has no option --set-up"),
        ("spanprofiles compare", "spanprofiles contrast", "there is no command contrast"),
        ('if [ "$VERDICT" = 2 ]', 'if "$VERDICT" = 2 ]; then (', "no shell can read it"),
        ("inputs.token", "secrets.TOKEN", "it uses a secret"),
        ("$GITHUB_ACTION_PATH/packages/spanprofiles", "spanprofiles --index-url pypi.example.org", "it names the host"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 50 else "",
)
def test_a_broken_action_is_found_out(old: str, new: str, fault: str) -> None:
    assert old in ACTION_TEXT
    broken = ACTION_TEXT.replace(old, new)

    assert [found for rule in ACTION_RULES for found in rule(broken) if fault in found]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  script:\n", "  steps: []\n  script:\n", "span-profiles: steps is not a key of the job"),
        ("    THRESHOLD: 10%\n", "", "nothing sets THRESHOLD"),
        ("    TESTS: tests\n", "    TESTS: tests\n    BRANCH: main\n", "span-profiles: BRANCH is used nowhere"),
        ("when: always", "when: on_success", "span-profiles: the artifacts of a failure are not kept"),
        ("--markdown", "--html", "compare has no option --html"),
        ("      fi\n", "", "no shell can read it"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 50 else "",
)
def test_a_broken_template_is_found_out(old: str, new: str, fault: str) -> None:
    assert old in TEMPLATE_TEXT
    broken = TEMPLATE_TEXT.replace(old, new)

    assert [found for rule in TEMPLATE_RULES for found in rule(broken) if fault in found]


def test_both_tell_the_same_verdicts_apart() -> None:
    for text in (ACTION_TEXT, TEMPLATE_TEXT):
        assert 'if [ "$VERDICT" = 2 ]' in text or 'if [ "$verdict" = 2 ]' in text
        assert "CANNOT_SAY" in text
