"""What reading a configuration found: errors, which make it unusable, and notes, which are only worth saying."""

from dataclasses import dataclass, field

from doocot.config.grammar import Problem


@dataclass(frozen=True, slots=True)
class Findings:
    """The lists that every step of reading adds to."""

    errors: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
