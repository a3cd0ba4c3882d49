"""From an export to the profiles in it: one for each profile and each service that its samples name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from spanprofiles.embedded.proto.otlp_profiles_pb2 import (
    ExportProfilesServiceRequest,
    KeyValue,
    Profile,
    ResourceProfiles,
    Sample,
    ScopeProfiles,
    ValueType,
)
from spanprofiles.embedded.pyroscope.labels import NAME, SERVICE, UNKNOWN_SERVICE
from spanprofiles.embedded.pyroscope.limits import SAMPLE_LABELS_LIMIT
from spanprofiles.embedded.pyroscope.otlp.dictionary import ConversionError, Dictionary, text_of
from spanprofiles.embedded.pyroscope.series import SPAN_ID, TRACE_ID, ValueKind, signed

SERVICE_KEY, EXECUTABLE_KEY = "service.name", "process.executable.name"
DELTA, OTEL = "__delta__", "__otel__"
TRACE_ID_BYTES = 16
CPU_SAMPLES, CPU_TIME = "samples:count:cpu:nanoseconds", ("cpu", "nanoseconds")
OFF_CPU = "off_cpu:nanoseconds::"
CPU_METRIC, OFF_CPU_METRIC = "process_cpu", "off_cpu"
NO_PERIOD: ValueKind = ("", "")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class ConvertedSample:
    """A sample.

    Attributes:
        labels: its labels.
        stack: the place of its stack in the dictionary's table; None where that says nothing.
        values: its values.
    """

    labels: Pairs
    stack: int | None
    values: Sequence[int]


@dataclass(frozen=True)
class ProfileKind:
    """What the values of a profile are.

    Attributes:
        metric: the profile's ``__name__``.
        value: what is measured, and in which unit.
        period: the same of the profile's period.
        scale: by what the values are multiplied.
        is_summed: whether a sample's values are added up.
    """

    metric: str
    value: ValueKind
    period: ValueKind
    scale: int = 1
    is_summed: bool = False


@dataclass
class ConvertedProfile:
    """The samples of one service in one profile.

    Attributes:
        labels: of the series.
        kind: what its values are.
        time_ns: when it was taken, ns since the epoch; not above zero where that is not said.
        samples: the samples.
    """

    labels: Pairs
    kind: ProfileKind
    time_ns: int
    samples: list[ConvertedSample] = field(default_factory=list)


def convert(export: ExportProfilesServiceRequest, dictionary: Dictionary) -> list[ConvertedProfile]:
    """Convert all profiles of an export.

    Raises:
        ConversionError: a profile refers to what is not there, or leaves out what is needed.
        ConnectError: there is too much of something.
    """
    found: list[ConvertedProfile] = []
    for group in export.resource_profiles:
        for scope in group.scope_profiles:
            for profile in scope.profiles:
                found += _converted(profile, group, scope, dictionary)
    return found


def _converted(
    profile: Profile, group: ResourceProfiles, scope: ScopeProfiles, dictionary: Dictionary
) -> Iterable[ConvertedProfile]:
    services: dict[str, ConvertedProfile] = {}
    for sample in profile.samples:
        try:
            service = _service_of(sample, dictionary)
        except ConversionError:
            return ()  # so does the real server: it leaves out the whole profile, and says nothing
        made = services.get(service)
        if made is None:
            kind = _kind_of(profile, dictionary)
            labels = _series_labels(kind.metric, group, scope, service)
            made = services[service] = ConvertedProfile(labels, kind, signed(profile.time_unix_nano))
        made.samples.append(_sample(sample, made.kind, dictionary, needs_one_value=_has_period(profile)))
    return services.values()


def _has_period(profile: Profile) -> bool:
    return profile.HasField("period_type") and profile.period != 0


def _service_of(sample: Sample, dictionary: Dictionary) -> str:
    for index in sample.attribute_indices:
        if dictionary.attribute_key(index) == SERVICE_KEY:
            return dictionary.attribute_value(index)
    return ""


def _kind_of(profile: Profile, dictionary: Dictionary) -> ProfileKind:
    if not profile.HasField("sample_type"):
        raise ConversionError("sample type is missing")
    value = _value_kind(profile.sample_type, dictionary)
    period = _value_kind(profile.period_type, dictionary) if profile.HasField("period_type") else NO_PERIOD
    name = ":".join((*value, *(period if profile.period else NO_PERIOD)))
    if name == CPU_SAMPLES:
        return ProfileKind(CPU_METRIC, CPU_TIME, period, scale=profile.period)
    if name == OFF_CPU:
        return ProfileKind(OFF_CPU_METRIC, value, period, is_summed=True)
    return ProfileKind(name.split(":")[2], value, period)


def _value_kind(kind: ValueType, dictionary: Dictionary) -> ValueKind:
    return dictionary.text(kind.type_strindex, "type string"), dictionary.text(kind.unit_strindex, "unit string")


def _series_labels(metric: str, group: ResourceProfiles, scope: ScopeProfiles, service: str) -> Pairs:
    """Make the labels of a series: of attributes with one key the first counts, the resource's before the scope's."""
    attributes: dict[str, str] = {}
    for pair in (*group.resource.attributes, *scope.scope.attributes):
        value = text_of(pair.value)
        if value and pair.key != NAME:
            attributes.setdefault(pair.key, value)
    own = service or resource_service(group.resource.attributes)
    return [(DELTA, "false"), (OTEL, "true"), (NAME, metric), *attributes.items(), (SERVICE, own)]


def resource_service(attributes: Iterable[KeyValue]) -> str:
    """Return the name of a resource's service, made of its program's where it has none."""
    fallback = UNKNOWN_SERVICE
    for pair in attributes:
        value = text_of(pair.value)
        if value and pair.key == SERVICE_KEY:
            return value
        if value and pair.key == EXECUTABLE_KEY:
            fallback += f":{value}"
    return fallback


def _sample(sample: Sample, kind: ProfileKind, dictionary: Dictionary, *, needs_one_value: bool) -> ConvertedSample:
    values = _values(sample, kind)
    if needs_one_value and len(values) != 1:
        raise ConversionError(f"sample values length mismatch {len(sample.values)} 1")
    # one more than may be is enough to refuse the profile
    labels = list(islice(_sample_labels(sample, dictionary), SAMPLE_LABELS_LIMIT + 1))
    return ConvertedSample(labels, dictionary.stack(sample.stack_index), values)


def _values(sample: Sample, kind: ProfileKind) -> Sequence[int]:
    """Read the values of a sample; without any, each time stamp counts as one."""
    if not sample.values:
        if not sample.timestamps_unix_nano:
            raise ConversionError("sample value is required")
        first, count = len(sample.timestamps_unix_nano), 1
    else:
        first, count = sample.values[0], len(sample.values)
    if kind.is_summed:
        return [signed(sum(sample.values) if sample.values else first)]
    return [signed(first * kind.scale), *sample.values[1:2]] if count > 1 else [signed(first * kind.scale)]


def _sample_labels(sample: Sample, dictionary: Dictionary) -> Iterator[tuple[str, str]]:
    for index in sample.attribute_indices:
        value = dictionary.attribute_value(index)
        if value:
            key = dictionary.attribute_key(index)
            if key != SERVICE_KEY:
                yield key, value
    if sample.link_index:
        link = dictionary.link(sample.link_index)
        yield SPAN_ID, link.span_id.hex()
        if len(link.trace_id) == TRACE_ID_BYTES:
            yield TRACE_ID, link.trace_id.hex()
