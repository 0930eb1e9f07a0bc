"""Diagnosis: what a run's statistics say about its optimizer's health.

A rule is a pure function from a `Run` to `Finding`s, in a file of its own; `diagnosis` lists them and tells their story
in order of cause. Thresholds are relative to the run's own history and to the layers beside; whether the loss suffers
decides the severity.
"""

from adamax_tb.rules.course import LossCourse, loss_course, loss_ends
from adamax_tb.rules.diagnosis import RULE_NAMES, RULES, diagnose, judged, notes
from adamax_tb.rules.finding import (
    SEVERITIES,
    Finding,
    Severity,
    evidence_words,
    finding_json,
    verdict,
)
from adamax_tb.rules.gradients import HISTORY
from adamax_tb.rules.wording import counted_records

__all__ = [
    "HISTORY",
    "RULES",
    "RULE_NAMES",
    "SEVERITIES",
    "Finding",
    "LossCourse",
    "Severity",
    "counted_records",
    "diagnose",
    "evidence_words",
    "finding_json",
    "judged",
    "loss_course",
    "loss_ends",
    "notes",
    "verdict",
]
