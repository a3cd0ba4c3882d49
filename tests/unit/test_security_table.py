"""SECURITY.md says the limits that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanprofiles.clients import answers, json_values, outage
from spanprofiles.clients import http as client
from spanprofiles.embedded import answers as pair_answers
from spanprofiles.embedded import grpc_refusal, patterns
from spanprofiles.embedded import limits as pair
from spanprofiles.embedded.pyroscope import limits as profiles
from spanprofiles.embedded.pyroscope import queries
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store import traces, writer
from spanprofiles.embedded.tempo import candidates, parameters
from spanprofiles.embedded.traceql import limits as traceql
from spanprofiles.experiment import request_list
from spanprofiles.measure import repetition, span_group
from spanprofiles.model import measurement_json, printable
from spanprofiles.ui import admission, chosen_groups, connections, request_group, security
from spanprofiles.workshop import (
    board,
    exercise,
    program,
    progress_report,
    pyroscope_relay,
    runner,
    storage,
    workbench,
)
from spanprofiles.workshop.exercises.e13_mill import judge as mill
from spanprofiles_processor import agent, roots
from spanprofiles_processor import settings as agent_settings

TEXT = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
KIB, MIB = 2**10, 2**20
CONNECT_S, READ_S = client.DEFAULT_TIMEOUT_S

ROWS = {
    "a program of the workshop: until it answers; until a script ends": (
        f"{program.START_S:.0f} s; {workbench.LONGEST_RUN_S:.0f} s"
    ),
    "a learner's tests, in exercises about tests; until their program answers": (
        f"{runner.LONGEST_RUN_S:.0f} s; {program.START_S:.0f} s"
    ),
    "learners on a board; a learner's name; what is missing": (
        f"{board.MOST_LEARNERS}; {progress_report.LONGEST_NAME}; {progress_report.LONGEST_SENTENCE} characters"
    ),
    "building a learner's program, in exercise 13": f"{mill.BUILD_S:.0f} s",
    "a request through the workshop's relay": f"{pyroscope_relay.LARGEST_BODY_BYTES // MIB} MiB",
    "a learner's file; files of an exercise": f"{storage.LEARNERS_FILE_BYTES:,} bytes; {exercise.MOST_FILES:,}",
    "a header": f"{pair.HEADER_BYTES // KIB} KiB, {pair.HEADER_FIELDS} fields, {pair.HEADER_S:.0f} s",
    "a body, compressed or not": (
        f"{pair.BODY_BYTES // MIB} MiB, {pair.BODY_S:.0f} s; over gRPC {pair.GRPC_BODY_BYTES // MIB} MiB"
    ),
    "decompressing": (
        f"{pair.INFLATION} times as large beyond {pair.INFLATION_FREE_BYTES // MIB} MiB;"
        f" {pair.GZIP_MEMBERS:,} members of gzip"
    ),
    "bodies held at once": (
        f"{pair.WAITING_BODIES_BYTES // MIB} MiB; of each {pair.IN_MEMORY_BYTES // KIB} KiB in memory"
    ),
    "requests sent ahead on one connection": f"{pair.PIPELINED_REQUESTS}",
    "an idle connection": f"{pair.IDLE_S} s",
    "one export": f"{pair.SPANS:,} spans; {pair.MESSAGES:,} messages; {pair.JSON_VALUES:,} JSON values",
    "gRPC": (
        f"{pair.GRPC_CONNECTIONS} connections, {pair.GRPC_STREAMS} streams on each, {pair.GRPC_CALLS} calls,"
        f" a message within {pair.BODY_S:.0f} s"
    ),
    "a connection becomes known, and is served first": f"{pair.GOOD_ANSWERS} good answers on one connection",
    "a request on a connection that is not known, or over gRPC: until it is read; until it is begun": (
        f"waits for those that are known, {pair.OTHERS_WAIT_S * 1000:.0f} ms each"
    ),
    "how long such requests are then read": f"{pair.OTHERS_TURN_S * 1000:.0f} ms",
    "a query that goes before uploads on connections that are not known": f"{pair.SHORT_QUERY_S:g} s",
    "an upload that is acknowledged before it is indexed; all of them": (
        f"{pair.KEPT_UPLOAD_BYTES // KIB} KiB; {pair.BACKLOG_BYTES // MIB} MiB"
    ),
    "a token": f"at least {pair.TOKEN_CHARACTERS} characters",
    "lines of one kind in the log": f"{pair.LOG_LINES} a minute",
    "batches that wait to be written": f"{writer.QUEUE_LIMIT}",
    "a profile, decompressed *": f"{profiles.SIZE_LIMIT // MIB} MiB",
    "its samples *, labels of a sample *": f"{profiles.SAMPLES_LIMIT:,}; {profiles.SAMPLE_LABELS_LIMIT}",
    "a JFR file, decompressed *; its events": f"{profiles.SIZE_LIMIT // MIB} MiB; {profiles.JFR_EVENTS_LIMIT:,}",
    "an upload in a form: parts; header of a part": (
        f"{profiles.FORM_PARTS_LIMIT:,}; {profiles.FORM_HEADER_BYTES // KIB} KiB"
    ),
    "names of a push's frames, a name once for each line": (
        f"{profiles.NAMES_FREE_BYTES // MIB} MiB and {profiles.NAMES_EXPANSION} times the push"
    ),
    "frames of a stack * (inlined ones count)": f"{profiles.DEPTH_LIMIT:,}",
    "characters of a name *": f"{profiles.SYMBOL_LENGTH_LIMIT:,}",
    "one merge": f"{profiles.MERGED_STACKS_LIMIT:,} stacks, {profiles.MERGED_NODES_LIMIT:,} nodes",
    "`maxNodes` *": f"{profiles.NODES_LIMIT:,}",
    "points of a series, cells of a heatmap": f"{profiles.POINTS_LIMIT:,}; {profiles.CELLS_LIMIT:,}",
    "one query, from its arrival to its answer": f"`--query-timeout`, {Settings().query_timeout_s:.0f} s",
    "queries at once; in line": (
        f"{pair.QUERIES_AT_ONCE}, and {pair.QUERIES_RESERVED} more on a known connection; {pair.QUERIES_WAITING},"
        f" for {pair.QUERY_WAIT_S:.0f} s at most"
    ),
    "TraceQL: tokens, stages, operators, patterns, brackets, depth": (
        f"{traceql.TOKENS_LIMIT:,}; {traceql.STAGES_LIMIT}; {traceql.CONDITIONS_LIMIT}; {traceql.PATTERNS_LIMIT};"
        f" {traceql.NESTING_LIMIT}; {traceql.DEPTH_LIMIT}"
    ),
    "metrics: hours; steps; series; values kept; values given; exemplars": (
        f"{traceql.RANGE_LIMIT_H}; {traceql.STEPS_LIMIT:,}; {traceql.SERIES_LIMIT:,}; {traceql.KEPT_POINTS_LIMIT:,};"
        f" {traceql.GIVEN_POINTS_LIMIT:,}; {traceql.EXEMPLARS_LIMIT}"
    ),
    "a label selector": f"{profiles.SELECTOR_LENGTH_LIMIT // KIB} KiB; {profiles.MATCHERS_LIMIT} comparisons",
    "IDs; labels to group by": f"{profiles.IDS_LIMIT:,}; {profiles.GROUP_LIMIT}",
    "gRPC on Tempo's port without the extra `grpc`": (
        f"{grpc_refusal.FRAMES:,} frames of {grpc_refusal.FRAME_BYTES // KIB} KiB, none of them kept"
    ),
    "queries over gRPC: connections; calls on one; in all": (
        f"{pair.STREAMING_CONNECTIONS}; {pair.STREAMING_STREAMS}; {pair.STREAMING_CALLS}, and"
        f" {pair.STREAMING_RESERVED} more on known connections"
    ),
    "a query over gRPC: its request; a message of the answer": (
        f"{pair.STREAMING_REQUEST_BYTES // KIB} KiB within {pair.STREAMING_REQUEST_S:.0f} s;"
        f" {pair.STREAMED_MESSAGE_BYTES // MIB} MiB"
    ),
    "what a connection over gRPC holds that is unread, each way": f"{pair.TUNNEL_BYTES // KIB} KiB",
    "traces of a search; spans of each *": (f"{parameters.LARGEST_LIMIT:,}; {parameters.MOST_SPANS_PER_SPANSET}"),
    "from start to end: of a search or of tags *; of a question about profiles *": (
        f"{parameters.LONGEST_WINDOW_S // 3600} h; {queries.LONGEST_WINDOW_MS // 3_600_000} h"
    ),
    "one trace": (f"{candidates.TRACE_BYTES // 1_000_000} MB are searched; {traces.TRACE_BYTES // MIB} MiB by its ID"),
    "one answer": f"{pair_answers.ANSWER_BYTES // MIB} MiB",
    "requests of one flame graph; how far apart": (f"{request_group.MOST_REQUESTS}; {span_group.LONGEST_S // 3600} h"),
    "a measurement: requests; time for sending them": (
        f"{repetition.MOST_REQUESTS}; {repetition.LONGEST_S:g} s, unless the test says otherwise"
    ),
    "a file with a recorded measurement": f"{measurement_json.LARGEST_RECORDING_BYTES // MIB} MiB",
    "requests that wait for a server at once": f"{admission.MOST_ASKING} of 8 threads",
    "pause after a server let a request time out": f"{outage.ASK_AGAIN_AFTER_S:.0f} s, then one request at a time",
    "a regular expression": (
        f"{patterns.LENGTH_LIMIT:,} characters; {patterns.PROGRAM_BYTES // KIB} KiB compiled;"
        f" asked of {patterns.TEXT_LIMIT:,} characters"
    ),
    "a header; a body": (
        f"{connections.HEADER_BYTES // KIB} KiB, {connections.HEADER_S:.0f} s;"
        f" {connections.BODY_BYTES // KIB} KiB, {connections.BODY_S:.0f} s"
    ),
    "requests of one group of a comparison": f"{chosen_groups.MOST_REQUESTS}",
    "a file of requests for `spanprofiles ab`; different ones in it": (
        f"{request_list.LARGEST_FILE_BYTES // MIB} MiB; {request_list.MOST_REQUESTS:,}"
    ),
    "wrong tokens from one address": f"{security.GUESSES} a minute",
    "a name; a line that is printed": f"{printable.LONGEST_NAME}; {printable.LONGEST_LINE:,} characters",
    "to connect; the whole answer": (f"{CONNECT_S:.0f} s; {CONNECT_S + client.READS_IN_AN_ANSWER * READ_S:.0f} s"),
    "an answer, decompressed": f"{answers.LARGEST_ANSWER_BYTES // MIB} MiB",
    "JSON": (
        f"{answers.MOST_JSON_PARTS:,} parts, {answers.DEEPEST_JSON} deep, numbers of {answers.LONGEST_INTEGER} digits"
    ),
    "spans of one trace; frames of one graph": f"{json_values.MOST_SPANS:,}; {json_values.MOST_FRAMES:,}",
    "labelled spans inside each other: roots; every span": f"{roots.MOST_NESTED_ROOTS}; {roots.MOST_NESTED_SPANS}",
    "a fork waits for an agent that starts; that has started": f"{agent.START_S:g} s; {agent.SETTLED_AFTER_S:g} s",
    "a worker that ends waits for its last upload": f"{agent.LAST_UPLOAD_S:g} s",
    "the upload interval": f"1 to {agent_settings.LONGEST_UPLOAD_INTERVAL_S} s",
}


@pytest.mark.parametrize(("limit", "value"), ROWS.items(), ids=ROWS)
def test_the_table_says_what_the_code_has(limit: str, value: str) -> None:
    assert f"| {limit} | {value} |" in TEXT


def test_guesses_are_counted_alike_by_the_pair_and_the_page() -> None:
    assert (pair.FREE_GUESSES, pair.GUESSES_S) == (security.GUESSES, security.GUESSES_S)
