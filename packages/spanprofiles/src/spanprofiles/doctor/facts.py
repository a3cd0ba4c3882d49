"""The facts of an examination: all that was observed, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from spanprofiles.clients.refusals import sentences
from spanprofiles.doctor import unlabelled
from spanprofiles.doctor.causes import Explanation, explain
from spanprofiles.doctor.observations import (
    GrafanaFacts,
    Link,
    LinkFacts,
    ProbedServer,
    ProfileFacts,
    ServerFacts,
    TraceFacts,
)
from spanprofiles.doctor.process_links import ProcessLinks, links_by_process
from spanprofiles.doctor.processes import process_of
from spanprofiles.doctor.question import Question
from spanprofiles.doctor.replicas import AlikeReplicas, alike_replicas, with_loss
from spanprofiles.doctor.roots import Roots, roots_of
from spanprofiles.doctor.unlabelled import Group
from spanprofiles.doctor.uploads import Uploads
from spanprofiles.model import Span, languages, profilers
from spanprofiles.model.languages import Language
from spanprofiles.model.profile_types import ProfileType


@dataclass(frozen=True)
class Facts:
    """All facts. A part that no collector has asked for is None.

    Conclusions that several hops share are computed when the first of them asks, and then kept.

    Attributes:
        question: what the examination asks.
        servers: the servers.
        probed: what became of the probe.
        traces: traces of the service.
        profiles: profiles of the service.
        links: what the spans' profile IDs lead to.
        grafana: what Grafana makes of linked spans.
    """

    question: Question
    servers: tuple[ServerFacts, ...] = ()
    probed: tuple[ProbedServer, ...] | None = None
    traces: TraceFacts | None = None
    profiles: ProfileFacts | None = None
    links: LinkFacts | None = None
    grafana: GrafanaFacts | None = None

    @property
    def service(self) -> str:
        """The service under examination."""
        return self.question.service

    @cached_property
    def roots(self) -> Roots:
        """The service's local root spans in the traces that were found."""
        return roots_of(self.traces.traces if self.traces else (), self.service)

    @property
    def looked_at(self) -> ProfileType:
        """The type of profile to look at: the one the user asks for, or its stand-in."""
        return ProfileType.of((self.profiles.looked_at if self.profiles else "") or self.question.profile_type)

    @cached_property
    def languages(self) -> tuple[Language, ...]:
        """The languages that the service's spans name, else those of its profiles; none where neither does."""
        found = languages.of_spans((*self.roots.spans, *self.roots.unsure))
        known = self.profiles or ProfileFacts()
        return found or profilers.languages_of(known.signs or known.series)

    def advice(self, of: Callable[[Language], str]) -> str:
        """Return one piece of advice for the service's language or languages, as a sentence without a full stop."""
        return languages.advice(self.languages, of)

    @property
    def refused_profiles(self) -> tuple[str, ...]:
        """What Pyroscope says it refused, a sentence each."""
        return sentences(self.profiles.refused) if self.profiles else ()

    @property
    def refused_without_a_trace(self) -> tuple[str, ...]:
        """What both servers say they refused, for a service without a trace; a sentence each."""
        return (
            () if self.traces is None else (*sentences(self.traces.refused), *sentences(self.traces.refused_profiles))
        )

    @property
    def all_links(self) -> tuple[Link, ...]:
        """The spans that were asked for their samples."""
        return self.links.links if self.links else ()

    @cached_property
    def focus(self) -> tuple[Link, ...]:
        """The links in question: all, or those of the one trace."""
        return tuple(link for link in self.all_links if self.question.trace_id in {"", link.span.trace_id})

    @property
    def has_span_names(self) -> bool:
        """Whether samples of the service carry the names of spans."""
        return bool(self.profiles and self.profiles.has_span_names)

    @cached_property
    def uploads(self) -> Uploads:
        """When the service's processes uploaded."""
        processes = len({process_of(link.span) for link in self.all_links})
        question = self.question
        return Uploads(self.links or LinkFacts(), processes, question.now_ns, question.upload_interval_s)

    @cached_property
    def outlasting(self) -> Mapping[str, tuple[Span, ...]]:
        """By the ID of a span with a profile ID, the spans below it that go on after it has ended."""
        return unlabelled.outlasting_spans(self.all_links, self.traces.traces if self.traces else ())

    @cached_property
    def groups(self) -> list[Group]:
        """The spans without samples, grouped, with the CPU around them that carries no span ID."""
        found = self.links or LinkFacts()
        return unlabelled.groups(found, self.uploads, self.outlasting, has_span_names=self.has_span_names)

    @cached_property
    def half_labelled(self) -> list[Group]:
        """The linked spans that leave most of their time unexplained, grouped likewise."""
        found = self.links or LinkFacts()
        return unlabelled.half_labelled(self.focus, found, self.uploads, self.outlasting, self.groups)

    @cached_property
    def processes(self) -> list[ProcessLinks]:
        """The processes of the spans, by name, with what their spans lead to."""
        return links_by_process(self.all_links, self.uploads)

    @cached_property
    def alike_replicas(self) -> AlikeReplicas | None:
        """Processes that share all labels where that loses samples; None where nothing proves that there are any."""
        return alike_replicas(self.all_links, self.profiles or ProfileFacts())

    @cached_property
    def explanations(self) -> list[Explanation]:
        """Why spans in question lead to no samples, or to samples far from them."""
        found = explain(
            self.focus,
            self.all_links,
            uploads=self.uploads,
            outlasting=self.outlasting,
            groups=self.groups,
            processes=self.processes,
            kind=self.looked_at.kind,
        )
        return with_loss(found, self.alike_replicas)
