"""The protobuf messages of pprof, of Pyroscope's API and of OTLP's refusals, made when this module is imported.

No generated files: the table below has the public schemas' field numbers (google/pprof `profile.proto`, Pyroscope's
`push.v1`, `types.v1`, `querier.v1`, and `google.rpc.Status`). A line is `message: number name type`, where a type in
capitals is a message of the table, `*` marks a repeated field and `?` one whose absence is seen. JSON names are
lowerCamelCase except the few given after `=`. `ProfileTables` and `ProfileLists` are the same bytes as `Profile`, read
only so far that its members can be counted.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "spanprofiles.embedded"

SCHEMA = """
LabelPair: 1 name string, 2 value string
ProfileType: 1 ID string =ID, 2 name string, 4 sample_type string, 5 sample_unit string, 6 period_type string,\
 7 period_unit string
Labels: 1 labels LabelPair*
Exemplar: 1 timestamp int64, 2 profile_id string, 3 span_id string, 4 value int64, 5 labels LabelPair*,\
 6 trace_id string
Point: 1 value double, 2 timestamp int64, 4 exemplars Exemplar*
Series: 1 labels LabelPair*, 2 points Point*
HeatmapSlot: 1 timestamp int64, 2 y_min double*, 3 counts int32*, 4 exemplars Exemplar*
HeatmapSeries: 1 labels LabelPair*, 2 slots HeatmapSlot*
LabelNamesRequest: 1 matchers string*, 2 start int64, 3 end int64
LabelNamesResponse: 1 names string*
LabelValuesRequest: 1 name string, 2 matchers string*, 3 start int64, 4 end int64
LabelValuesResponse: 1 names string*

PushRequest: 1 series RawProfileSeries*
RawProfileSeries: 1 labels LabelPair*, 2 samples RawSample*
RawSample: 1 raw_profile bytes, 2 ID string =ID
PushResponse:

ProfileTypesRequest: 1 start int64, 2 end int64
ProfileTypesResponse: 1 profile_types ProfileType*
SeriesRequest: 1 matchers string*, 2 label_names string*, 3 start int64, 4 end int64
SeriesResponse: 2 labels_set Labels*
SelectMergeSpanProfileRequest: 1 profile_typeID string =profileTypeID, 2 label_selector string,\
 3 span_selector string*, 4 start int64, 5 end int64, 6 max_nodes int64?, 7 format ProfileFormat
SelectMergeSpanProfileResponse: 1 flamegraph FlameGraph, 2 tree bytes
SelectMergeStacktracesRequest: 1 profile_typeID string =profileTypeID, 2 label_selector string, 3 start int64,\
 4 end int64, 5 max_nodes int64?, 6 format ProfileFormat, 8 profile_id_selector string*,\
 10 trace_id_selector string*, 11 span_selector string*
SelectMergeStacktracesResponse: 1 flamegraph FlameGraph, 2 tree bytes, 5 pprof PprofProfile
PprofProfile: 1 profile Profile
SelectMergeProfileRequest: 1 profile_typeID string =profileTypeID, 2 label_selector string, 3 start int64,\
 4 end int64, 5 max_nodes int64?, 8 trace_id_selector string*
SelectSeriesRequest: 1 profile_typeID string =profileTypeID, 2 label_selector string, 3 start int64, 4 end int64,\
 5 group_by string*, 6 step double, 7 aggregation TimeSeriesAggregationType?, 9 limit int64?,\
 10 exemplar_type ExemplarType
SelectSeriesResponse: 1 series Series*
SelectHeatmapRequest: 1 profile_typeID string =profileTypeID, 2 label_selector string, 3 start int64, 4 end int64,\
 5 step double, 6 group_by string*, 7 query_type HeatmapQueryType, 8 exemplar_type ExemplarType, 9 limit int64?
SelectHeatmapResponse: 1 series HeatmapSeries*
DiffRequest: 1 left SelectMergeStacktracesRequest, 2 right SelectMergeStacktracesRequest
DiffResponse: 1 flamegraph FlameGraphDiff
FlameGraph: 1 names string*, 2 levels Level*, 3 total int64, 4 max_self int64
FlameGraphDiff: 1 names string*, 2 levels Level*, 3 total int64, 4 max_self int64, 5 leftTicks int64,\
 6 rightTicks int64
Level: 1 values int64*
GetProfileStatsRequest:
GetProfileStatsResponse: 1 data_ingested bool, 2 oldest_profile_time int64, 3 newest_profile_time int64

Profile: 1 sample_type ValueType*, 2 sample Sample*, 3 mapping Mapping*, 4 location Location*, 5 function Function*,\
 6 string_table string*, 7 drop_frames int64, 8 keep_frames int64, 9 time_nanos int64, 10 duration_nanos int64,\
 11 period_type ValueType, 12 period int64, 13 comment int64*, 14 default_sample_type int64
ValueType: 1 type int64, 2 unit int64
Sample: 1 location_id uint64*, 2 value int64*, 3 label Label*
Label: 1 key int64, 2 str int64, 3 num int64, 4 num_unit int64
Mapping: 1 id uint64, 2 memory_start uint64, 3 memory_limit uint64, 4 file_offset uint64, 5 filename int64,\
 6 build_id int64, 7 has_functions bool, 8 has_filenames bool, 9 has_line_numbers bool, 10 has_inline_frames bool
Location: 1 id uint64, 2 mapping_id uint64, 3 address uint64, 4 line Line*, 5 is_folded bool
Line: 1 function_id uint64, 2 line int64, 3 column int64
Function: 1 id uint64, 2 name int64, 3 system_name int64, 4 filename int64, 5 start_line int64

ProfileTables: 1 sample_type bytes*, 2 sample bytes*, 3 mapping bytes*, 4 location bytes*, 5 function bytes*,\
 6 string_table bytes*, 13 comment int64*
ProfileLists: 2 sample SampleLists*, 4 location LocationLists*
SampleLists: 3 label bytes*
LocationLists: 4 line bytes*

Status: 1 code int32, 2 message string
"""

ENUMS = {
    "ProfileFormat": (
        "PROFILE_FORMAT_UNSPECIFIED",
        "PROFILE_FORMAT_FLAMEGRAPH",
        "PROFILE_FORMAT_TREE",
        "PROFILE_FORMAT_DOT",
        "PROFILE_FORMAT_PPROF",
    ),
    "TimeSeriesAggregationType": ("TIME_SERIES_AGGREGATION_TYPE_SUM", "TIME_SERIES_AGGREGATION_TYPE_AVERAGE"),
    "HeatmapQueryType": (
        "HEATMAP_QUERY_TYPE_UNSPECIFIED",
        "HEATMAP_QUERY_TYPE_INDIVIDUAL",
        "HEATMAP_QUERY_TYPE_SPAN",
    ),
    "ExemplarType": (
        "EXEMPLAR_TYPE_UNSPECIFIED",
        "EXEMPLAR_TYPE_NONE",
        "EXEMPLAR_TYPE_INDIVIDUAL",
        "EXEMPLAR_TYPE_SPAN",
    ),
}

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "double": _FIELD.TYPE_DOUBLE,
    "bool": _FIELD.TYPE_BOOL,
}


def _lower_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _add_field(message: descriptor_pb2.DescriptorProto, description: str) -> None:
    number, name, kind, *json_name = description.split()
    field = message.field.add(name=name, number=int(number))
    field.json_name = json_name[0][1:] if json_name else _lower_camel_case(name)
    field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
    if kind.endswith("?"):
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    kind = kind.rstrip("*?")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _FIELD.TYPE_ENUM if kind in ENUMS else _FIELD.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="spanprofiles/embedded.proto", package=PACKAGE, syntax="proto3")
    for enum, names in ENUMS.items():
        declared = file.enum_type.add(name=enum)
        for number, name in enumerate(names):
            declared.value.add(name=name, number=number)
    for line in SCHEMA.strip().splitlines():
        if line:
            name, _, fields = line.partition(":")
            message = file.message_type.add(name=name)
            for description in filter(None, fields.strip().split(", ")):
                _add_field(message, description.strip())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}"))
        for message in file.message_type
    }


MESSAGES = _classes()
"""Each message class by its name in the schema; they are untyped, as all messages made at run time are."""


def message(name: str, /, **fields: object) -> Any:  # the class is known only at run time
    """Make a message of the schema.

    Args:
        name: its name in the table above.
        fields: its fields, as the class takes them.
    """
    return MESSAGES[name](**fields)
