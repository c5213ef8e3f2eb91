"""A whole search on one set of rows: every member, then the stack over the best of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ensemble.members import Member
from ensemble.recipes import MemberSettings, create_member
from ensemble.tuning.clock import Clock, run_trials
from ensemble.tuning.file import StudyFile
from ensemble.tuning.records import TrialRecord, best_record
from ensemble.tuning.rows import SearchRows
from ensemble.tuning.scores import FoldScores, get_metric
from ensemble.tuning.settings import MemberParameters, current_settings, settle_member
from ensemble.tuning.spaces import STACK, Space, space_of
from ensemble.tuning.study import Study, open_study
from ensemble.tuning.trials import CrossValidator

# Enough for the one parameter that the stack has.
STACK_TRIALS = 15

# What a logistic regression starts from.
_STACK_READY_MADE = {"C": 1.0}


@dataclass(frozen=True)
class Part:
    """What came of one member, or of the stack.

    Attributes
    ----------
    space : mapping of str to Setting
        What was searched.
    records : list of TrialRecord
        Ended trials.
    best : TrialRecord
        The one of the highest score.
    start : dict of str to object
        The ready-made parameters.
    importances : dict of str to float or None
        Shares of the scores' variance; None if they were not asked for or trials are too few.
    """

    space: Space
    records: list[TrialRecord]
    best: TrialRecord
    start: dict[str, Any]
    importances: dict[str, float] | None


@dataclass(frozen=True)
class Outcome:
    """What a search chose.

    Attributes
    ----------
    parts : dict of str to Part
        Of every member, and of ``"stack"`` if there are two members or more.
    members : list of Member
        With the parameters that were chosen.
    """

    parts: dict[str, Part]
    members: list[Member]

    @property
    def parameters(self) -> MemberParameters:
        """What was chosen."""
        chosen = {name: part.best.parameters for name, part in self.parts.items()}
        return MemberParameters(
            {name: found for name, found in chosen.items() if name != STACK}, chosen.get(STACK, {})
        )


@dataclass(frozen=True)
class Search:
    """How to search, whatever the rows.

    Parameters
    ----------
    file : StudyFile
        Open.
    names : sequence of str
        Members.
    metric : str
        Name of what is maximised.
    seed : int
        Of members and trials.
    clock : Clock
        For all of it.
    n_jobs : int or None
        Threads over classes.
    """

    file: StudyFile
    names: Sequence[str]
    metric: str
    seed: int
    clock: Clock
    n_jobs: int | None = None
    _told: set[tuple[str, type[Warning]]] = field(default_factory=set, init=False)

    def run(
        self, rows: SearchRows, *, n_trials: int, prefix: str = "", explain: bool = False
    ) -> Outcome:
        """Search every member, then the stack.

        Parameters
        ----------
        rows : SearchRows
            All that is looked at.
        n_trials : int
            Turns of each member; the stack has `STACK_TRIALS` at most.
        prefix : str
            Before the names of the studies.
        explain : bool
            Whether to ask which parameters matter.

        Returns
        -------
        Outcome
            What was chosen.
        """
        validator = self._validator(rows)
        facts = {"metric": self.metric, "task": rows.task, "rows": rows.digest()}
        parts: dict[str, Part] = {}
        chosen: list[Member] = []
        for member in self.ready_made(rows):
            name, start = member.name, current_settings(member)
            study = self._open(prefix + name, name, start, facts)
            run_trials(
                study,
                partial(validator.try_member, study, member=member),
                n_trials=n_trials,
                clock=self.clock,
                text=prefix + name,
            )
            parts[name] = _part(study, start, explain)
            chosen.append(settle_member(member, parts[name].best.parameters))
        if len(chosen) > 1:
            # Other members make another stack: a search that goes on may find better ones.
            facts["members"] = _digest(parts)
            study = self._open(
                f"{prefix}{STACK} {facts['members']}", STACK, _STACK_READY_MADE, facts
            )
            run_trials(
                study,
                partial(
                    validator.try_stack,
                    study,
                    probabilities={member.name: validator.predict(member) for member in chosen},
                ),
                n_trials=min(n_trials, STACK_TRIALS),
                clock=self.clock,
                text=prefix + STACK,
            )
            parts[STACK] = _part(study, _STACK_READY_MADE, explain)
        return Outcome(parts, chosen)

    def score_ready_made(self, rows: SearchRows) -> dict[str, FoldScores]:
        """Score what there is without a search.

        Parameters
        ----------
        rows : SearchRows
            As for `run`.

        Returns
        -------
        dict of str to FoldScores
            The same parts as of `run`; the stack is that of ready-made members.
        """
        validator = self._validator(rows)
        probabilities = {member.name: validator.predict(member) for member in self.ready_made(rows)}
        scores = {name: validator.score(given) for name, given in probabilities.items()}
        if len(scores) > 1:
            scores[STACK] = validator.score_stack(probabilities, _STACK_READY_MADE)
        return scores

    def _validator(self, rows: SearchRows) -> CrossValidator:
        return CrossValidator(rows, get_metric(self.metric), self.n_jobs, self._told)

    def _open(
        self, study: str, name: str, start: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Study:
        return open_study(
            self.file, study, space_of(name), ready_made=start, facts=facts, seed=self.seed
        )

    def ready_made(self, rows: SearchRows) -> list[Member]:
        """Make the members as they are without a search.

        Parameters
        ----------
        rows : SearchRows
            All that they will see.

        Returns
        -------
        list of Member
            Unfitted.
        """
        settings = MemberSettings(
            feature_names=list(rows.X.columns), n_samples=len(rows), random_state=self.seed
        )
        return [create_member(name, settings) for name in self.names]


def _part(study: Study, start: Mapping[str, Any], explain: bool) -> Part:
    records = study.records()
    importances = study.importances() if explain else None
    return Part(study.space, records, best_record(records), dict(start), importances)


def _digest(parts: Mapping[str, Part]) -> str:
    """Name members by their parameters, in short."""
    chosen = {name: part.best.parameters for name, part in parts.items()}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]
