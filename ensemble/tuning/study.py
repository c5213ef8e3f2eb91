"""Trials of a search in one SQLite file: resumable, shared by processes, the same for a seed.

Conventions: a trial has a *turn*, counted from 0. Turn 0 tries the ready-made parameters; what any
other tries depends on the seed, its turn and the trials that ended before it. A trial whose process
died fails and its turn is free again, so a killed search goes on as if nothing had been, and
several processes together make exactly as many trials as were asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensemble.tuning.file import StudyFile, import_optuna
from ensemble.tuning.records import TrialRecord
from ensemble.tuning.spaces import Space, suggest
from features.holding import holding

# A running score is compared with the median of a few trials at least, and not on a single fold:
# near the top trials differ by less than a fold's luck.
_TRIALS_BEFORE_PRUNING = 5
_FOLDS_BEFORE_PRUNING = 2

# With fewer completed trials than this, importances are those of a few lucky draws.
MIN_TRIALS_FOR_IMPORTANCE = 10


@dataclass(frozen=True)
class TakenTrial:
    """A trial to be run by this process.

    Attributes
    ----------
    turn : int
        See `TrialRecord`.
    parameters : dict of str to object
        To be tried.
    trial : optuna.Trial
        To report to.
    """

    turn: int
    parameters: dict[str, Any]
    trial: Any = field(repr=False)


class Study:
    """The trials of one space.

    Parameters
    ----------
    file : StudyFile
        Where they are kept.
    study : optuna.Study
        Theirs.
    space : mapping of str to Setting
        What is searched.
    ready_made : dict of str to object
        What turn 0 tries.
    seed : int
        Of all that is drawn.
    """

    def __init__(
        self, file: StudyFile, study: Any, space: Space, ready_made: dict[str, Any], seed: int
    ) -> None:
        self.file = file
        self.space = space
        self._study = study
        self._ready_made = ready_made
        self._seed = seed

    def take(self, n_trials: int) -> TakenTrial | None:
        """Take the next turn.

        Parameters
        ----------
        n_trials : int
            How many turns there are.

        Returns
        -------
        TakenTrial or None
            None if all are ended or being run.
        """
        optuna = import_optuna()
        with holding(self.file.path):
            self._fail_the_dead()
            taken = {trial.user_attrs.get("claim", {}).get("turn") for trial in self._alive()}
            turn = next(turn for turn in range(len(taken) + 1) if turn not in taken)
            if turn >= n_trials:
                return None
            # A sampler of its own for every turn: its state would be lost with the process.
            entropy = [self._seed, turn, zlib.crc32(self._study.study_name.encode())]
            drawn = np.random.SeedSequence(entropy).generate_state(1)[0]
            self._study.sampler = optuna.samplers.TPESampler(seed=int(drawn))
            if turn == 0 and not self._is_waiting:
                self._study.enqueue_trial(self._ready_made)
            trial = self._study.ask()
            trial.set_user_attr("claim", {"worker": self.file.worker, "turn": turn})
            return TakenTrial(turn, suggest(trial, self.space), trial)

    def _alive(self) -> Iterator[Any]:
        """Go through the trials that ended well or are being run."""
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        yield from self._study.get_trials(deepcopy=False, states=states)

    @property
    def _is_waiting(self) -> bool:
        """Whether a process died after it had prepared a trial, before it began it."""
        from optuna.trial import TrialState

        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _fail_the_dead(self) -> None:
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self.file.is_alive(trial.user_attrs.get("claim", {}).get("worker")):
                self._study.tell(trial.number, state=TrialState.FAIL)

    @property
    def is_running(self) -> bool:
        """Whether a trial is being run, by this process or another."""
        return any(not trial.state.is_finished() for trial in self._alive())

    def is_hopeless(self, taken: TakenTrial, value: float, step: int) -> bool:
        """Report the score after some folds, and ask whether to give the trial up.

        Parameters
        ----------
        taken : TakenTrial
            Of this study.
        value : float
            The metric over the folds so far.
        step : int
            Number of folds so far.

        Returns
        -------
        bool
            Whether it lies below the median of earlier trials at this step. Never for turn 0,
            which all others are compared with.
        """
        taken.trial.report(value, step)
        return taken.turn > 0 and bool(taken.trial.should_prune())

    def end(
        self, taken: TakenTrial, *, value: float | None, fold_scores: list[float | None],
        seconds: float, pruned: bool = False,
    ) -> None:  # fmt: skip
        """Keep the outcome of a trial.

        Parameters
        ----------
        taken : TakenTrial
            Of this study.
        value : float or None
            The metric; None only if pruned.
        fold_scores : list of float or None
            Of each fold alone.
        seconds : float
            How long it took.
        pruned : bool
            Whether it was given up.
        """
        from optuna.trial import TrialState

        kept = {"value": value, "fold_scores": fold_scores, "seconds": seconds}
        taken.trial.set_user_attr("outcome", kept)
        if pruned:
            self._study.tell(taken.trial, state=TrialState.PRUNED)
        else:
            self._study.tell(taken.trial, value)

    def fail(self, taken: TakenTrial) -> None:
        """Give the turn back.

        Parameters
        ----------
        taken : TakenTrial
            Whose run was broken off.
        """
        from optuna.trial import TrialState

        self._study.tell(taken.trial, state=TrialState.FAIL)

    def records(self) -> list[TrialRecord]:
        """Give the ended trials.

        Returns
        -------
        list of TrialRecord
            In the order of their turns.
        """
        ended = [trial for trial in self._alive() if trial.state.is_finished()]
        found = [
            TrialRecord(
                turn=trial.user_attrs["claim"]["turn"],
                state=trial.state.name.lower(),
                **trial.user_attrs["outcome"],
                parameters={name: trial.params[name] for name in self.space},
            )
            for trial in ended
        ]
        return sorted(found, key=lambda record: record.turn)

    def importances(self) -> dict[str, float] | None:
        """Say how much of the scores' variance each parameter explains.

        Returns
        -------
        dict of str to float or None
            Shares that sum to one; None if less than `MIN_TRIALS_FOR_IMPORTANCE` trials were
            completed, or all have one score.

        References
        ----------
        F. Hutter, H. Hoos, K. Leyton-Brown, An efficient approach for assessing hyperparameter
        importance, ICML 2014.
        """
        values = [record.value for record in self.records() if record.state == "complete"]
        if len(values) < MIN_TRIALS_FOR_IMPORTANCE or len(set(values)) == 1:
            return None
        importance = import_optuna().importance
        found = importance.get_param_importances(
            self._study, evaluator=importance.FanovaImportanceEvaluator(seed=self._seed)
        )
        return {name: float(found.get(name, 0.0)) for name in self.space}


def open_study(
    file: StudyFile,
    name: str,
    space: Space,
    *,
    ready_made: Mapping[str, Any],
    facts: Mapping[str, Any],
    seed: int,
) -> Study:
    """Open a study of a file, or begin it.

    Parameters
    ----------
    file : StudyFile
        Open.
    name : str
        Its name.
    space : mapping of str to Setting
        What is searched.
    ready_made : mapping of str to object
        What turn 0 tries.
    facts : mapping of str to object
        JSON-able; what else its scores depend on.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Study
        With the trials that it has.

    Raises
    ------
    ValueError
        If the study was begun with other facts, another space or seed.
    """
    optuna = import_optuna()
    pruner = optuna.pruners.MedianPruner(_TRIALS_BEFORE_PRUNING, _FOLDS_BEFORE_PRUNING)
    known = {
        **facts,
        "seed": seed,
        "search space": {key: setting.as_dict() for key, setting in space.items()},
    }
    with holding(file.path):
        study = optuna.create_study(
            storage=file.storage, study_name=name, direction="maximize", pruner=pruner,
            load_if_exists=True,
        )  # fmt: skip
        before = study.user_attrs.get("facts")
        if before is None:
            study.set_user_attr("facts", known)
    if before is not None and before != known:
        raise ValueError(f"{file.directory} {_difference(before, known)}")
    return Study(file, study, space, dict(ready_made), seed)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = [key for key in now if before.get(key) != now[key]]
    shown = [
        f"{key} {before.get(key)!r}, now {now[key]!r}"
        if isinstance(now[key], str | int) and key != "rows"
        else f"another {key}"
        for key in changed
    ]
    return (
        f"holds a search that was begun with {'; '.join(shown)}: name another directory, or go on "
        "with what it was begun with"
    )
