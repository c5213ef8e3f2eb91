"""A fit that was killed goes on where it stopped, and its numbers are those of one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ensemble.member_fits
from classical.boosting import OneVsRestXGBClassifier
from classical.svm import OneVsRestSVMClassifier
from deep.classifier import AudioBackboneClassifier
from ensemble.fingerprints import UnnamedValueError, describe_setting
from ensemble.finished_fits import FinishedFits, work_folder
from ensemble.stacking import StackingEnsembleClassifier
from features.audio import Clip

ROOT = Path(__file__).resolve().parents[1]

# What the killed process runs; the test runs the same to its end.
PROGRAM = """
import sys
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from ensemble.stacking import StackingEnsembleClassifier

def make_stack(work_dir, progress=None):
    members = [("bayes", GaussianNB(), None), ("logistic", LogisticRegression(), [0, 1, 2])]
    return StackingEnsembleClassifier(members, cv=3, work_dir=work_dir, progress=progress)

def make_rows():
    return make_classification(120, n_informative=4, n_classes=3, random_state=0)

if __name__ == "__main__":
    def wait_to_be_killed(done, total, text):
        print(text, flush=True)
        if done == 5:
            sys.stdin.read()

    make_stack(sys.argv[1], wait_to_be_killed).fit(*make_rows())
"""


@pytest.fixture
def count_fits(monkeypatch):
    """Names of the members that are really fitted, in this process."""
    fitted = []
    fit_member = ensemble.member_fits.fit_member

    def counted(member, *data):
        fitted.append(member.name)
        return fit_member(member, *data)

    monkeypatch.setattr(ensemble.member_fits, "fit_member", counted)
    return fitted


def test_a_killed_fit_goes_on_where_it_stopped(tmp_path, count_fits):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    work = tmp_path / "bundle.work"
    killed = subprocess.Popen(
        [sys.executable, str(program), str(work)], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    said = [killed.stdout.readline() for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    killed.stdin.close()
    assert killed.returncode == -signal.SIGKILL
    assert said[-1] == "logistic, fold 1 of 3\n"

    names = {}
    exec(compile(PROGRAM, "program", "exec"), names)
    resumed = names["make_stack"](work).fit(*names["make_rows"]())
    assert count_fits == ["logistic"] * 3
    uninterrupted = names["make_stack"](None).fit(*names["make_rows"]())
    assert count_fits == ["logistic"] * 3 + ["bayes"] * 4 + ["logistic"] * 4
    X, _ = names["make_rows"]()
    for name, scores in uninterrupted.oof_scores_.items():
        np.testing.assert_array_equal(resumed.oof_scores_[name], scores)
    for name, scores in uninterrupted.score_models(X).items():
        np.testing.assert_array_equal(resumed.score_models(X)[name], scores)


def rows():
    X, y = make_classification(90, n_informative=4, n_classes=3, random_state=0)
    return X, y, np.arange(90) // 2


def stack(work, members=None, **settings):
    members = members or [("bayes", GaussianNB(), None)]
    return StackingEnsembleClassifier(members, cv=3, work_dir=work, **settings)


def test_a_fit_is_done_once(tmp_path, count_fits):
    for _ in range(2):
        stack(tmp_path / "work").fit(*rows())
    assert len(count_fits) == 4


def test_the_strict_version_and_more_workers_use_what_is_there(tmp_path, count_fits):
    usual = stack(tmp_path / "work").fit(*rows())
    nested = stack(tmp_path / "work", nested=True).fit(*rows())
    assert len(count_fits) == 4 + 3
    parallel = stack(tmp_path / "work", n_jobs=2).fit(*rows())
    assert len(count_fits) == 7
    np.testing.assert_array_equal(usual.oof_scores_["bayes"], nested.oof_scores_["bayes"])
    np.testing.assert_array_equal(usual.oof_scores_["stack"], parallel.oof_scores_["stack"])


@pytest.mark.parametrize("what", ["settings", "values", "labels", "groups", "columns", "names"])
def test_whatever_changes_a_number_is_fitted_anew(tmp_path, count_fits, what):
    X, y, groups = rows()
    X = pd.DataFrame(X).add_prefix("f")
    folds = np.arange(90) // 2 % 3
    members = [("bayes", GaussianNB(), None)]
    first = StackingEnsembleClassifier(members, cv=folds, work_dir=tmp_path / "work")
    first.fit(X, y, groups)
    if what == "settings":
        members = [("bayes", GaussianNB(var_smoothing=1e-8), None)]
    elif what == "values":
        X.iloc[0, 0] += 1e-9
    elif what == "labels":
        y = y.copy()
        y[0] = (y[0] + 1) % 3
    elif what == "groups":
        groups = np.arange(90)
    elif what == "columns":
        X = X.rename(columns={"f0": "g0"})
    else:
        X.index = [f"clip {row}" for row in X.index]
    again = StackingEnsembleClassifier(members, cv=folds, work_dir=tmp_path / "work")
    again.fit(X, y, groups)
    assert len(count_fits) == 8


def test_other_folds_keep_only_the_fit_on_all_rows(tmp_path, count_fits):
    X, y, groups = rows()
    for shift in range(2):
        folds = (groups + shift * (groups > 20)) % 3
        members = [("bayes", GaussianNB(), None)]
        StackingEnsembleClassifier(members, cv=folds, work_dir=tmp_path / "w").fit(X, y, groups)
    assert len(count_fits) == 7


def test_settings_without_effect_on_numbers_are_no_reason_to_fit_again():
    plain, odd = (
        describe_setting(make_pipeline(StandardScaler(), LogisticRegression(n_jobs=jobs)))
        for jobs in (None, 2)
    )
    assert plain == odd
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
    "value", [np.random.default_rng(0), lambda x: x], ids=["generator", "lambda"]
)
def test_a_setting_without_a_lasting_name_is_told(value):
    with pytest.raises(UnnamedValueError, match="plain or importable by name"):
        describe_setting({"setting": value})


def test_a_member_whose_settings_have_no_name_is_fitted_each_time(tmp_path, count_fits):
    members = [("svm", OneVsRestSVMClassifier(random_state=np.random.RandomState(0)), None)]
    for _ in range(2):
        stack(tmp_path / "work", members).fit(*rows())
    assert len(count_fits) == 8


def test_a_model_that_no_bundle_could_hold_is_not_kept_but_its_scores_are(tmp_path, count_fits):
    members = [("forest", RandomForestClassifier(3, random_state=0), None)]
    for _ in range(2):
        stack(tmp_path / "work", members).fit(*rows())
    assert len(count_fits) == 4 + 1
    assert [path for path in (tmp_path / "work").iterdir() if path.name.endswith(".part")] == []


def test_a_damaged_fit_is_done_again(tmp_path, count_fits):
    first = stack(tmp_path / "work").fit(*rows())
    scores = sorted((tmp_path / "work").glob("*/scores.npy"))[0]
    scores.write_bytes(scores.read_bytes()[:-8])
    again = stack(tmp_path / "work").fit(*rows())
    assert len(count_fits) == 5
    np.testing.assert_array_equal(first.oof_scores_["stack"], again.oof_scores_["stack"])


def test_what_was_warned_of_is_said_again(tmp_path):
    X, y, groups = rows()
    truth = np.eye(3, dtype=np.int8)[y]
    truth[:, 2] = 0
    members = [("xgb", OneVsRestXGBClassifier(n_estimators=2, random_state=0), None)]
    for _ in range(2):
        with pytest.warns(UserWarning, match="class 2 is absent from all"):
            stack(tmp_path / "work", members).fit(X, truth, groups)


def test_no_pickle_is_written(tmp_path):
    members = [("xgb", OneVsRestXGBClassifier(n_estimators=2, random_state=0), None),
               ("bayes", GaussianNB(), None)]  # fmt: skip
    stack(tmp_path / "work", members).fit(*rows())
    suffixes = {path.suffix for path in (tmp_path / "work").rglob("*") if path.is_file()}
    assert suffixes == {".json", ".npy", ".skops", ".ubj"}


def test_networks_of_the_folds_are_found_again_unless_their_sound_has_changed(tmp_path, count_fits):
    for row in range(8):
        soundfile.write(tmp_path / f"{row}.wav", np.sin(np.arange(2000) * 0.05 * (row + 1)), 8000)
    clips = [Clip(str(tmp_path / f"{row}.wav")) for row in range(8)]
    X = pd.DataFrame({"clip": pd.Series(clips, dtype=object)})
    y = np.array(["a", "b"] * 4)

    def fit(cache):
        net = AudioBackboneClassifier(epochs=1, batch_size=4, sr=8000, max_seconds=0.2,
                                      random_state=0, cache_dir=tmp_path / cache)  # fmt: skip
        folds = np.arange(8) // 4
        made = StackingEnsembleClassifier(
            [("net", net, ["clip"])], cv=folds, work_dir=tmp_path / "w"
        )
        return made.fit(X, y)

    first, again = fit("one"), fit("other")
    assert len(count_fits) == 2
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    soundfile.write(tmp_path / "0.wav", np.zeros(2100), 8000)
    fit("one")
    assert len(count_fits) == 4


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="move it away, or name another"):
        FinishedFits(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_work_folder_stands_beside_the_bundle_and_goes_when_told(tmp_path):
    folder = work_folder(tmp_path / "bundle")
    assert folder == (tmp_path / "bundle.work").resolve()
    FinishedFits(folder).remove()
    assert list(tmp_path.iterdir()) == []
