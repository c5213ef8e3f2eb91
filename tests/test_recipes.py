"""Every recipe trains, as its miniature, and beats chance on groups that it never saw."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from deep.classifier import AudioBackboneClassifier
from deep.runs.recipes import FOR_PEOPLE, read_recipe, read_trials, replace_settings

FOLDER = Path(__file__).parents[1] / "examples" / "recipes"
# Those of ready-made members rather than of a network.
OF_MEMBERS = {"lumen-irmas-svm"}
MULTI_LABEL = {"irnet-irmas", "lumen-irmas-ast", "lumen-irmas-convnext-fluffy"}
NEEDS = {"lumen-irmas-ast": "transformers", "lumen-irmas-convnext-fluffy": "timm"}
CLASSES = ["cel", "flu", "voi"]
TRAINED = sorted({path.stem for path in FOLDER.glob("*.yaml")} - OF_MEMBERS)


def make_notes(sr: int, n_groups: int = 6) -> tuple[list[np.ndarray], list[str], np.ndarray]:
    """Make one-second notes of three timbres, two a group, each group at a pitch of its own."""
    rng = np.random.default_rng(0)
    t = np.arange(sr) / sr
    clips, labels, groups = [], [], []
    for group in range(3 * n_groups):
        label, pitch = group % 3, 180 * 2 ** rng.uniform(0, 1)
        for _ in range(2):
            partials = range(1, 9) if label < 2 else range(1, 9, 2)
            fall = (0.5, 2.0, 1.0)[label]
            tone = sum(np.sin(2 * np.pi * pitch * k * t + rng.uniform(0, 6)) / k**fall
                       for k in partials)  # fmt: skip
            noise = rng.normal(size=sr) * 0.02
            clips.append((0.2 * (tone + noise)).astype(np.float32))
            labels.append(CLASSES[label])
            groups.append(group)
    return clips, labels, np.array(groups)


def train_and_score(settings: dict, *, multi_label: bool) -> float:
    """Give the area under the ROC curve, mean over labels, on held-out groups."""
    sr = settings.get("sr") or 16000
    clips, labels, groups = make_notes(sr)
    truth = np.array([[label == name for name in CLASSES] for label in labels]).astype(int)
    held_out = groups >= 12
    model = AudioBackboneClassifier(**settings, device="cpu", random_state=0)
    known = truth if multi_label else np.array(labels)
    model.fit(
        [clip for clip, out in zip(clips, held_out, strict=True) if not out],
        known[~held_out],
        groups=groups[~held_out],
    )
    found = model.predict_proba([clip for clip, out in zip(clips, held_out, strict=True) if out])
    return float(roc_auc_score(truth[held_out], found))


def test_there_is_a_recipe_for_each_of_the_four_systems():
    systems = ("urbansound8k", "fsdkaggle2018", "irmas", "gtzan")
    assert all(any(system in name for name in TRAINED) for system in systems)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_says_where_it_comes_from_and_leaves_room_for_our_numbers(path):
    recipe = yaml.safe_load(path.read_text())
    assert all(recipe.get(block) for block in FOR_PEOPLE)

    def values(block):
        return (
            [value for each in block.values() for value in values(each)]
            if isinstance(block, dict)
            else [block]
        )

    # Blank until a real run fills them; never words.
    assert all(value is None or isinstance(value, float) for value in values(recipe["ours"]))


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere", "..", "a/b", "3"])
def test_a_trial_is_called_by_a_word_since_a_folder_is(tmp_path, name):
    (tmp_path / "r.yaml").write_text(f"train: {{epochs: 1}}\ntrials:\n  {name}: {{}}\n")
    with pytest.raises(ValueError, match="a trial's name must be a text of letters"):
        read_trials(tmp_path / "r.yaml")


@pytest.mark.parametrize("name", TRAINED)
def test_a_recipe_beats_chance_on_groups_that_it_never_saw(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    settings = read_recipe(FOLDER / f"{name}.yaml", miniature=True)
    assert train_and_score(settings, multi_label=name in MULTI_LABEL) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("trial", read_trials(FOLDER / "adaptive-stft-gtzan.yaml"))
def test_each_trial_of_the_adaptive_transform_beats_chance(trial):
    path = FOLDER / "adaptive-stft-gtzan.yaml"
    settings = replace_settings(read_recipe(path, miniature=True), read_trials(path)[trial])
    assert train_and_score(settings, multi_label=False) > 0.7
