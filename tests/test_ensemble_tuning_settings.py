"""Settings files: what a search writes, what people write, and what members become by them."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from ensemble.members import Member
from ensemble.recipes import MemberSettings, create_member, list_members
from ensemble.tuning.settings import (
    MemberParameters,
    create_final_estimator,
    current_settings,
    read_member_settings,
    settle_member,
    write_member_settings,
)
from ensemble.tuning.spaces import SPACES, STACK, Setting, setting_problem, suggest

NAMES = [name for name in SPACES if name in list_members()]


def ready_made(name, n_features=12):
    features = [f"feature {k}" for k in range(n_features)]
    return create_member(name, MemberSettings(feature_names=features, n_samples=60))


def numbers_of(estimator):
    """Parameters that can be compared, of all steps."""
    given = estimator.get_params()
    return {key: value for key, value in given.items() if isinstance(value, int | float | str)}


@pytest.mark.parametrize("name", NAMES)
def test_ready_made_settings_lie_in_the_space_and_change_nothing(name):
    member = ready_made(name)
    current = current_settings(member)
    for parameter, setting in SPACES[name].items():
        assert setting_problem(setting, current[parameter]) == ""
        if not setting.choices:
            assert setting.low <= current[parameter] <= setting.high
    before, after = numbers_of(member.estimator), numbers_of(settle_member(member, current)[1])
    assert before == pytest.approx(after)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_a_space_reaches_the_estimator_and_can_be_fitted(name, rng):
    member, space = ready_made(name), SPACES[name]
    ends = {
        parameter: setting.choices[-1] if setting.choices else setting.low
        for parameter, setting in space.items()
    }
    settled = settle_member(member, ends)
    read_back = current_settings(settled)
    assert read_back == pytest.approx(ends) or read_back["class_weight"] is None
    X, y = rng.normal(size=(60, 12)), np.array(["a", "b"] * 30)
    assert settled.estimator.fit(X, y).predict_proba(X).shape == (60, 2)
    # The one it was made from stays as it was.
    assert current_settings(member) != ends


def test_gamma_follows_the_scaling():
    """Ranks vary by 1/12, standardised values by 1: the same factor means the same kernel."""
    ranks = settle_member(ready_made("svm"), {"gamma_factor": 1.0})
    standard = settle_member(ready_made("svm"), {"gamma_factor": 1.0, "scaling": "standard"})
    assert ranks.estimator[-1].gamma == pytest.approx(1.0)
    assert standard.estimator[-1].gamma == pytest.approx(1.0 / 12)
    assert isinstance(standard.estimator, Pipeline)
    assert isinstance(standard.estimator[0], StandardScaler)


def test_normal_scores_keep_the_number_of_quantiles():
    member = ready_made("svm")
    normal = settle_member(member, {"scaling": "normal"})
    assert isinstance(normal.estimator[0], QuantileTransformer)
    assert normal.estimator[0].output_distribution == "normal"
    assert normal.estimator[0].n_quantiles == member.estimator[0].n_quantiles


def test_no_parameters_leave_a_member_of_any_kind_alone():
    mine = Member("mine", object(), [])
    assert settle_member(mine, {}) is mine


def test_the_final_estimator_is_the_stacks_own_unless_set():
    assert create_final_estimator({}) is None
    assert create_final_estimator({"C": 0.2}).C == 0.2
    with pytest.raises(ValueError, match="stack has no parameter 'c'"):
        create_final_estimator({"c": 0.2})


def test_what_is_written_is_read(tmp_path):
    given = MemberParameters(
        {"svm": {"C": 3.5, "scaling": "normal", "class_weight": None}, "xgb": {"max_depth": 4}},
        {"C": 0.1},
        {"metric": "macro_f1"},
    )
    write_member_settings(given, tmp_path / "best.yaml")
    assert read_member_settings(tmp_path / "best.yaml") == given
    assert "fit-ensemble" in (tmp_path / "best.yaml").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["best.yaml"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("[svm]", ["must be a mapping"]),
        ("members: {svm: {C: 1", ["not YAML"]),
        ("{}", ["nothing is set"]),
        ("members: {svm: {C: 1, C: 2}}", ["there twice: C"]),
        ("memberss: {svm: {C: 1}}", ["'memberss', did you mean 'members'", "nothing is set"]),
        ("schema_version: 2\nstack: {C: 1}", ["upgrade timbrestack"]),
        ("members: {svn: {C: 1}}", ["no 'svn', did you mean 'svm'"]),
        ("members: {stack: {C: 1}}", ["members has no 'stack'"]),
        ("members: {svm: 3}", ["must be a mapping of parameters, got int"]),
        ("members: 3", ["members must be a mapping"]),
        (
            "members: {svm: {gama_factor: 1, scaling: rank},"
            " xgb: {max_depth: 2.5, subsample: .nan}}",
            ["'gama_factor', did you mean 'gamma_factor'",
             "one of ranks, normal, standard, got 'rank'",
             "max_depth must be a whole number, got 2.5", "subsample must be positive"],
        ),
        ("members: {xgb: {max_depth: true}}", ["whole number, got True"]),
        ("members: {svm: {C: -1}}", ["must be positive and finite, got -1"]),
        ("members: !!python/object/apply:os.system ['true']", ["not YAML"]),
    ],
    ids=["list", "broken", "empty", "twice", "key", "schema", "member", "stack", "flat", "number",
         "all-at-once", "bool", "negative", "code"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_all_at_once(tmp_path, text, messages):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.yaml") as caught:
        read_member_settings(path)
    assert [message for message in messages if message not in str(caught.value)] == []


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        read_member_settings(tmp_path / "none.yaml")


def test_a_value_outside_the_searched_range_may_be_set_by_hand(tmp_path):
    (tmp_path / "mine.yaml").write_text("members: {svm: {C: 100000}}")
    given = read_member_settings(tmp_path / "mine.yaml")
    assert settle_member(ready_made("svm"), given.members["svm"]).estimator[-1].C == 100000


def test_every_setting_says_why_its_range_is_there():
    for space in SPACES.values():
        for setting in space.values():
            assert setting.reason
            assert setting.choices or 0 < setting.low < setting.high


def test_a_space_is_suggested_as_declared():
    class Trial:
        def suggest_categorical(self, name, choices):
            return (name, tuple(choices))

        def suggest_int(self, name, low, high, log):
            return ("whole", low, high, log)

        def suggest_float(self, name, low, high, log):
            return (low, high, log)

    space = {
        "kind": Setting("any", choices=("x", None)),
        "size": Setting("any", low=1, high=9),
        "rate": Setting("any", low=0.1, high=1.0, log=True),
    }
    assert suggest(Trial(), space) == {
        "kind": ("kind", ("x", None)),
        "size": ("whole", 1, 9, False),
        "rate": (0.1, 1.0, True),
    }
    assert STACK in SPACES
