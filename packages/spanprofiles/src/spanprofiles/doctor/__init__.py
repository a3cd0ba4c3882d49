"""The doctor: names the hop at which the link from a service's spans to their profiles is broken.

It works on any service in any language, from what Tempo and Pyroscope have of it. Each hop has a module in
:mod:`spanprofiles.doctor.hops` that judges plain facts; :mod:`spanprofiles.doctor.collectors` asks the servers for
those.
"""

from __future__ import annotations

from spanprofiles.doctor.causes import HARMLESS, Cause, Explanation
from spanprofiles.doctor.collectors.traces import SeveralServicesError
from spanprofiles.doctor.diagnosis import Diagnosis, diagnose, diagnosis_of, examine_request
from spanprofiles.doctor.examination import Examination
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.runner import HOPS, LONGEST_SINCE_S, examine, examine_failure

__all__ = [
    "HARMLESS",
    "HOPS",
    "LONGEST_SINCE_S",
    "Cause",
    "Diagnosis",
    "Examination",
    "Explanation",
    "Finding",
    "SeveralServicesError",
    "Verdict",
    "diagnose",
    "diagnosis_of",
    "examine",
    "examine_failure",
    "examine_request",
]
