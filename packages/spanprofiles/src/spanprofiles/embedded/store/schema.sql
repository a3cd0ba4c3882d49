-- The store's tables. Times are as their names end: _ns and _ms count from the epoch, _s likewise.
--
-- Rows of the tables with AUTOINCREMENT are removed when they are old, and their numbers are remembered by readers and
-- the writer: a number is never given to a second row.
-- `seen` is the bucket (see `arrivals`) in which a row that many others share was last used.

------------------------------------------------------------------------------------------------------------- traces

CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order of their arrival
    trace_id BLOB NOT NULL UNIQUE,          -- 16 bytes
    start_ns INTEGER NOT NULL,              -- start of its earliest span
    end_ns INTEGER NOT NULL                 -- end of its latest span
);

-- A resource or a scope is kept once, as it came.
CREATE TABLE resources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    payload BLOB NOT NULL,                  -- serialized OTLP
    schema_url TEXT NOT NULL,               -- may be empty
    seen INTEGER NOT NULL,
    UNIQUE (payload, schema_url)
);

CREATE TABLE scopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    payload BLOB NOT NULL,                  -- serialized OTLP
    schema_url TEXT NOT NULL,               -- may be empty
    seen INTEGER NOT NULL,
    UNIQUE (payload, schema_url)
);

-- Spans of one trace, one resource and one scope that came together.
CREATE TABLE spans (
    id INTEGER PRIMARY KEY,                 -- in the order of their arrival
    trace INTEGER NOT NULL,                 -- traces.id
    resource INTEGER NOT NULL,              -- resources.id
    scope INTEGER NOT NULL,                 -- scopes.id
    span_ids BLOB NOT NULL,                 -- of all of them, 8 bytes each; nothing of a span that has none
    payload BLOB NOT NULL                   -- serialized OTLP: a ScopeSpans with nothing but the spans
);
CREATE INDEX spans_by_trace ON spans (trace, span_ids);

-- Each different attribute, once; `indexed_attributes.py` has the codes. Some intrinsics are among them, such as `name`.
CREATE TABLE attributes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    scope INTEGER NOT NULL,                 -- where it was found: resource, span, event ...
    type INTEGER NOT NULL,                  -- of its value: string, integer, float ...
    value NOT NULL,                         -- 0 where it is no scalar
    UNIQUE (key, scope, type, value)
);

-- Which traces hold an attribute anywhere: what a search starts from. A row speaks for 32 traces, since those that come
-- together have most of their attributes in common.
CREATE TABLE attribute_blocks (
    attribute INTEGER NOT NULL,             -- attributes.id
    block INTEGER NOT NULL,                 -- traces.id / 32
    traces INTEGER NOT NULL,                -- a bit for each trace of the block that holds it, the lowest for the first
    PRIMARY KEY (attribute, block)
) WITHOUT ROWID;

-- The same as a row for each attribute and each trace. The block is given twice, so that either can be looked up first.
CREATE VIEW trace_attributes AS
SELECT b.attribute AS attribute, h.id AS trace
FROM attribute_blocks b JOIN traces h ON b.block = h.id >> 5 AND h.id BETWEEN b.block << 5 AND (b.block << 5) + 31
WHERE b.traces >> (h.id & 31) & 1;

----------------------------------------------------------------------------------------------------------- profiles

CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    labels TEXT NOT NULL UNIQUE,            -- JSON: [[name, value], ...], sorted by name
    profile_type TEXT NOT NULL,             -- name:type:unit:period type:period unit
    seen INTEGER NOT NULL
);

CREATE TABLE functions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    system_name TEXT NOT NULL,              -- may be empty
    file TEXT NOT NULL,                     -- likewise
    seen INTEGER NOT NULL,
    UNIQUE (name, system_name, file)
);

-- A call path is what a stack is without its lines: all that flame graphs show, and far fewer than stacks.
CREATE TABLE paths (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    functions BLOB NOT NULL UNIQUE,         -- functions.id of each frame, the root's first: an array of 32-bit integers
    seen INTEGER NOT NULL
);

-- The stacks of one upload, whose profiles are those with its number; `stacks.py` reads and writes both columns.
CREATE TABLE stacks (
    id INTEGER PRIMARY KEY,                 -- profiles.id of the upload's first profile
    frames BLOB NOT NULL,                   -- functions.id of each frame as 32 bits, then the line of each as 64 bits
    stacks BLOB NOT NULL                    -- each stack's frames, the root's first, by their places from 1 on, and a 0:
                                            -- in 8 bits below 256 frames, in 16 bits below 65,536, or else in 32 bits
);

-- What one series has at one time. Values are in the unit of the series' profile type.
-- Entries are (number, value) pairs: an array of 64-bit integers. The upper half of a number is the place of a stack
-- among those of the upload, from 0 on; the lower half is the paths.id of that stack.
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    upload INTEGER NOT NULL,                -- profiles.id of the first of those that came as one profile; 0 for that one
    series INTEGER NOT NULL,                -- series.id
    time_ms INTEGER NOT NULL,
    total INTEGER NOT NULL,                 -- the sum of its values
    entries BLOB NOT NULL
);
CREATE INDEX profiles_by_series ON profiles (series, time_ms);

-- The part of a profile that belongs to one span of one trace; either may be absent.
CREATE TABLE span_samples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    profile INTEGER NOT NULL,               -- profiles.id
    series INTEGER NOT NULL,                -- series.id, as the profile has it
    time_ms INTEGER NOT NULL,               -- likewise
    span_id BLOB,                           -- 8 bytes
    trace_id BLOB,                          -- 16 bytes
    total INTEGER NOT NULL,                 -- the sum of its values
    entries BLOB NOT NULL                   -- as a profile has them
);
CREATE INDEX span_samples_by_span ON span_samples (span_id) WHERE span_id IS NOT NULL;
CREATE INDEX span_samples_by_trace ON span_samples (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX span_samples_by_series ON span_samples (series, time_ms);

------------------------------------------------------------------------------------------------------------ backlog

-- Uploads that were acknowledged and are not in the tables above yet.
CREATE TABLE backlog (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order of their arrival
    kind TEXT NOT NULL,                     -- who indexes it
    time_ns INTEGER NOT NULL,               -- when it arrived
    payload BLOB NOT NULL                   -- as it came
);

---------------------------------------------------------------------------------------------------------- retention

-- A bucket: what arrived within some seconds or megabytes has these numbers or greater, up to those of the next bucket.
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_s INTEGER NOT NULL,                -- when it was opened
    trace INTEGER NOT NULL,                 -- the first traces.id
    profile INTEGER NOT NULL,               -- the first profiles.id
    span_sample INTEGER NOT NULL,           -- the first span_samples.id
    bytes INTEGER NOT NULL DEFAULT 0        -- how much the file grew meanwhile
);
INSERT INTO arrivals (time_s, trace, profile, span_sample) VALUES (CAST(strftime('%s', 'now') AS INTEGER), 1, 1, 1);
