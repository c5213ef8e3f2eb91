"""Losses: hand computation, scikit-learn, finite differences, and labels never annotated."""

import inspect
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from deep.heads.cosine import CosineHead
from deep.losses import (
    arcface,
    asymmetric,
    balanced_weights,
    binary_focal,
    create_losses,
    cross_entropy,
    family_loss,
    family_members,
    get_loss_config,
    list_losses,
    masked_binary_cross_entropy,
    softmax_focal,
    triplet,
)

LABELS = ["cel", "flu", "pia", "vio"]
FAMILIES = {"strings": ["cel", "vio"], "wind": ["flu"]}
MEMBERS = family_members(FAMILIES, LABELS)

SINGLE_LABEL = {
    "cross_entropy": cross_entropy,
    "cross_entropy-smoothed": partial(cross_entropy, label_smoothing=0.1),
    "focal": softmax_focal,
    "focal-root": partial(softmax_focal, gamma=0.5, label_smoothing=0.1),
    "family": partial(family_loss, members=MEMBERS),
    "arcface": arcface,
    "arcface-easy": partial(arcface, easy_margin=True, label_smoothing=0.1),
}
MULTI_LABEL = {
    "binary_cross_entropy": masked_binary_cross_entropy,
    "focal": binary_focal,
    "focal-root": partial(binary_focal, gamma=0.5, label_smoothing=0.1),
    "asymmetric": asymmetric,
    "asymmetric-root": partial(asymmetric, gamma_positive=0.5, gamma_negative=0.5),
    "asymmetric-unshifted": partial(asymmetric, gamma_negative=0.5, shift=0.0),
    "family": partial(family_loss, members=MEMBERS, multi_label=True),
}
ALL = [(loss, False) for loss in SINGLE_LABEL.values()] + [
    (loss, True) for loss in MULTI_LABEL.values()
]
ALL_NAMES = [f"{name}-single" for name in SINGLE_LABEL] + [f"{name}-multi" for name in MULTI_LABEL]

every_loss = pytest.mark.parametrize(("loss", "multi_label"), ALL, ids=ALL_NAMES)
every_single_label_loss = pytest.mark.parametrize(
    "loss", SINGLE_LABEL.values(), ids=SINGLE_LABEL.keys()
)
every_multi_label_loss = pytest.mark.parametrize(
    "loss", MULTI_LABEL.values(), ids=MULTI_LABEL.keys()
)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def draw(rng, n_samples, *, multi_label, soft=True):
    """Draw logits and targets of four classes, as arrays."""
    logits = rng.normal(scale=2.0, size=(n_samples, 4))
    if not multi_label:
        targets = np.eye(4)[rng.integers(0, 4, n_samples)]
        if soft:
            targets[::2] = 0.7 * targets[::2] + 0.3 * targets[rng.permutation(n_samples)[::2]]
    else:
        targets = rng.integers(0, 2, (n_samples, 4)).astype(float)
        if soft:
            targets[0, :2] = 0.3, 0.8
    return logits, targets


def of(function, logits, targets, **settings):
    """Compute a loss of arrays."""
    return function(torch.from_numpy(logits), torch.from_numpy(targets), **settings).item()


def gradient_of(loss, logits, targets):
    logits = torch.as_tensor(logits).clone().requires_grad_()
    loss(logits, torch.as_tensor(targets)).backward()
    return logits.grad


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes():
    loss = cross_entropy(torch.zeros(3, 5), torch.eye(5)[:3])
    assert loss.item() == pytest.approx(np.log(5))


def test_cross_entropy_equals_scikit_learns(rng):
    logits, codes = rng.normal(size=(20, 4)), rng.integers(0, 4, 20)
    expected = log_loss(codes, softmax(logits), labels=range(4))
    assert of(cross_entropy, logits, np.eye(4)[codes]) == pytest.approx(expected)


def test_cross_entropy_is_weighted_and_smoothed_by_the_formula(rng):
    logits, targets = draw(rng, 9, multi_label=False)
    weight = np.array([0.5, 1.0, 2.0, 3.0])
    smooth = 0.9 * targets + 0.1 / 4
    expected = -(weight * smooth * np.log(softmax(logits))).sum(axis=1).mean()
    actual = of(
        cross_entropy, logits, targets, weight=torch.from_numpy(weight), label_smoothing=0.1
    )
    assert actual == pytest.approx(expected)


def test_binary_cross_entropy_equals_scikit_learns_over_known_labels(rng):
    logits, targets = rng.normal(size=(20, 3)), rng.integers(-1, 2, (20, 3))
    known = targets >= 0
    expected = log_loss(targets[known], sigmoid(logits)[known])
    assert of(masked_binary_cross_entropy, logits, targets) == pytest.approx(expected)


def test_binary_cross_entropy_weights_positives_by_the_formula(rng):
    logits, targets = draw(rng, 9, multi_label=True)
    weight, p = np.array([0.5, 1.0, 2.0, 3.0]), sigmoid(logits)
    expected = -(weight * targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    actual = of(masked_binary_cross_entropy, logits, targets, weight=torch.from_numpy(weight))
    assert actual == pytest.approx(expected)


def test_label_smoothing_moves_the_best_logit_to_the_smoothed_odds():
    best = torch.logit(torch.tensor([[0.95]])).requires_grad_()
    masked_binary_cross_entropy(best, torch.ones(1, 1), label_smoothing=0.1).backward()
    assert best.grad.abs().item() < 1e-6


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_softmax_focal_equals_the_formula(gamma, rng):
    logits, targets = draw(rng, 9, multi_label=False)
    weight, p = np.array([0.5, 1.0, 2.0, 3.0]), softmax(logits)
    expected = -(weight * targets * (1 - p) ** gamma * np.log(p)).sum(axis=1).mean()
    actual = of(softmax_focal, logits, targets, gamma=gamma, weight=torch.from_numpy(weight))
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_binary_focal_equals_the_formula_of_p_t(gamma, rng):
    logits, targets = draw(rng, 9, multi_label=True, soft=False)
    p_t = np.where(targets == 1, sigmoid(logits), 1 - sigmoid(logits))
    weight = np.array([0.5, 1.0, 2.0, 3.0])
    expected = -(np.where(targets == 1, weight, 1.0) * (1 - p_t) ** gamma * np.log(p_t)).mean()
    actual = of(binary_focal, logits, targets, gamma=gamma, weight=torch.from_numpy(weight))
    assert actual == pytest.approx(expected)


def test_focal_loss_of_an_easy_negative_is_small_and_of_a_false_alarm_is_not():
    # A weight of (1 - p) in place of (1 - p_t) would have these the other way round.
    easy, alarm = (of(binary_focal, np.array([[z]]), np.zeros((1, 1))) for z in (-3.0, 3.0))
    plain = of(masked_binary_cross_entropy, np.array([[-3.0]]), np.zeros((1, 1)))
    assert easy < 0.01 * plain
    assert alarm == pytest.approx(sigmoid(3.0) ** 2 * np.log1p(np.exp(3.0)))


@given(
    arrays(float, (3, 4), elements=st.floats(-30, 30)),
    arrays(int, (3, 4), elements=st.integers(-1, 1)),
    st.floats(0, 0.5),
)
def test_focal_losses_without_focus_are_cross_entropies(logits, targets, smoothing):
    logits = torch.from_numpy(logits)
    rows = torch.eye(4)[torch.from_numpy(targets[:, 0] + 1)]
    for focal, plain, wanted in (
        (softmax_focal, cross_entropy, rows),
        (binary_focal, masked_binary_cross_entropy, torch.from_numpy(targets)),
    ):
        actual = focal(logits, wanted, gamma=0.0, label_smoothing=smoothing)
        torch.testing.assert_close(actual, plain(logits, wanted, label_smoothing=smoothing))


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(("positive", "negative"), [(0, 4), (1, 2), (0.5, 0.5), (0, 0)], ids=str)
def test_asymmetric_loss_equals_the_formula(positive, negative, shift, rng):
    logits, targets = draw(rng, 9, multi_label=True)
    p = sigmoid(logits)
    p_m = np.maximum(p - shift, 0)
    weight = np.array([0.5, 1.0, 2.0, 3.0])
    of_present = weight * (1 - p) ** positive * np.log(p)
    of_absent = p_m**negative * np.log(1 - p_m)
    expected = -(targets * of_present + (1 - targets) * of_absent).mean()
    settings = {"gamma_positive": positive, "gamma_negative": negative, "shift": shift}
    actual = of(asymmetric, logits, targets, weight=torch.from_numpy(weight), **settings)
    assert actual == pytest.approx(expected)


def test_a_negative_below_the_shift_has_no_loss_and_no_gradient():
    logits = np.log(np.array([[0.04, 0.06]]) / np.array([[0.96, 0.94]]))
    gradient = gradient_of(partial(asymmetric, shift=0.05), logits, np.zeros((1, 2)))
    assert gradient[0, 0] == 0
    assert gradient[0, 1] > 0


def test_asymmetric_loss_without_focus_and_shift_is_binary_cross_entropy(rng):
    logits, targets = draw(rng, 9, multi_label=True)
    actual = of(asymmetric, logits, targets, gamma_negative=0.0, shift=0.0)
    assert actual == pytest.approx(of(masked_binary_cross_entropy, logits, targets))


def test_family_loss_of_single_labels_equals_the_formula(rng):
    logits, targets = draw(rng, 9, multi_label=False)
    p = softmax(logits)
    families = [[0, 3], [1], [2]]
    losses = sum(-targets[:, f].sum(axis=1) * np.log(p[:, f].sum(axis=1)) for f in families)
    assert of(family_loss, logits, targets, members=MEMBERS) == pytest.approx(losses.mean())


def test_family_loss_of_multiple_labels_equals_the_formula(rng):
    logits, targets = draw(rng, 9, multi_label=True)
    absent = 1 - sigmoid(logits)
    families = [[0, 3], [1], [2]]
    p = np.stack([1 - absent[:, f].prod(axis=1) for f in families])
    wanted = np.stack([targets[:, f].max(axis=1) for f in families])
    expected = -(wanted * np.log(p) + (1 - wanted) * np.log(1 - p)).mean()
    actual = of(family_loss, logits, targets, members=MEMBERS, multi_label=True)
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_families_of_any_size_are_exact(size, rng):
    logits = rng.normal(size=(6, size))
    members = torch.ones(1, size, dtype=torch.bool)
    expected = -np.log(1 - (1 - sigmoid(logits)).prod(axis=1)).mean()
    actual = of(family_loss, logits, np.ones((6, size)), members=members, multi_label=True)
    assert actual == pytest.approx(expected)


def test_a_family_is_asked_for_as_far_as_its_labels_were_annotated():
    targets = np.array([[0.0, -1.0, -1.0, -1.0], [1.0, 0.0, 1.0, -1.0]])
    logits = np.array([[0.3, 9.0, -9.0, 9.0], [0.2, -0.4, 0.1, 9.0]])
    # Of the first clip only the strings are asked for, by the cello alone; of the second all.
    losses = np.log1p(np.exp([0.3, -0.2, -0.4, -0.1]))
    actual = of(family_loss, logits, targets, members=MEMBERS, multi_label=True)
    assert actual == pytest.approx(losses.mean())


def test_the_right_family_is_better_than_a_wrong_one():
    near, far = np.array([[0.0, 0.0, 0.0, 5.0]]), np.array([[0.0, 5.0, 0.0, 0.0]])
    cello = np.eye(4)[:1]
    for multi_label in (False, True):
        losses = [
            of(family_loss, logits, cello, members=MEMBERS, multi_label=multi_label)
            for logits in (near, far)
        ]
        assert losses[0] < losses[1] - 0.5


def test_every_label_is_in_one_family_or_its_own():
    assert MEMBERS.int().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_families_name_classes_that_are_numbers_too():
    assert family_members({"low": [0, 1]}, np.arange(3)).tolist() == [
        [True, True, False],
        [False, False, True],
    ]


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ({}, "families must map each family to its labels, got {}"),
        (["cel"], r"families must map each family to its labels, got \['cel'\]"),
        ({"strings": "cel"}, r"must list one label or more.*\['strings'\]"),
        ({"strings": []}, r"must list one label or more.*\['strings'\]"),
        ({"strings": 3}, r"must list one label or more.*\['strings'\]"),
        ({"strings": ["cel", "viola"]}, r"must name labels of \['cel', .*\], got \['viola'\]"),
        ({"a": ["cel", "vio"], "b": ["vio"]}, r"in one family only, \['vio'\] are named again"),
    ],
    ids=["empty", "list", "text", "no-label", "number", "unknown", "twice"],
)
def test_families_that_do_not_fit_are_refused(families, message):
    with pytest.raises(ValueError, match=message):
        family_members(families, LABELS)


def arcface_by_hand(cosines, codes, *, scale, margin, easy_margin):
    rows = []
    for row, code in zip(cosines, codes, strict=True):
        angle, moved = np.arccos(row[code]), row.copy()
        if easy_margin:
            moved[code] = np.cos(angle + margin) if row[code] > 0 else row[code]
        elif angle < np.pi - margin:
            moved[code] = np.cos(angle + margin)
        else:
            moved[code] = row[code] - margin * np.sin(margin)
        rows.append(-np.log(softmax(scale * moved[None])[0, code]))
    return np.mean(rows)


@pytest.mark.parametrize("easy_margin", [False, True], ids=["hard", "easy"])
@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5, 1.4])
def test_arcface_equals_the_formula(margin, easy_margin, rng):
    cosines = np.cos(rng.uniform(0, np.pi, (40, 5)))
    codes = rng.integers(0, 5, 40)
    settings = {"scale": 4.0, "margin": margin, "easy_margin": easy_margin}
    expected = arcface_by_hand(cosines, codes, **settings)
    assert of(arcface, 4 * cosines, np.eye(5)[codes], **settings) == pytest.approx(expected)


def test_arcface_without_a_margin_is_cross_entropy(rng):
    logits, targets = rng.uniform(-30, 30, (9, 4)), draw(rng, 9, multi_label=False)[1]
    expected = of(cross_entropy, logits, targets)
    assert of(arcface, logits, targets, margin=0.0) == pytest.approx(expected)


@pytest.mark.parametrize("easy_margin", [False, True], ids=["hard", "easy"])
def test_arcface_falls_with_the_angle_of_the_right_class(easy_margin):
    cosines = torch.cos(torch.linspace(0.01, np.pi - 0.01, 200, dtype=torch.float64))
    losses = [
        arcface(
            torch.tensor([[cosine, 0.0]]) * 8,
            torch.tensor([[1.0, 0.0]]),
            scale=8.0,
            easy_margin=easy_margin,
        ).item()
        for cosine in cosines
    ]
    falls = np.diff(losses) < 0
    # An easy margin ends at the right angle, and with it goes the loss it adds.
    assert falls.sum() == int(easy_margin)


def test_a_mixed_row_gives_each_class_its_share_of_the_margin():
    angles, shares = np.array([[0.4, 0.9, 1.2]]), np.array([[0.6, 0.4, 0.0]])
    p = softmax(5 * np.cos(angles + 0.5 * shares))
    expected = -(shares * np.log(p)).sum()
    assert of(arcface, 5 * np.cos(angles), shares, scale=5.0) == pytest.approx(expected)


def test_an_embedding_on_an_axis_has_a_finite_gradient():
    gradient = gradient_of(
        arcface, torch.tensor([[30.0, -30.0], [-30.0, 30.0]]), torch.eye(2)[:1].expand(2, 2)
    )
    assert gradient.isfinite().all()


def test_cosine_head_and_arcface_separate_clusters(rng):
    torch.manual_seed(0)
    codes = np.repeat([0, 1, 2], 20)
    centres = rng.normal(size=(3, 8))
    embeddings = torch.from_numpy(centres[codes] + 0.3 * rng.normal(size=(60, 8))).float()
    head, targets = CosineHead(8, 3), torch.eye(3)[codes]
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    losses = []
    for _ in range(60):
        loss = arcface(head(embeddings), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert (head(embeddings).argmax(dim=1).numpy() == codes).all()


def triplet_by_hand(embeddings, codes, *, margin):
    """Triplet loss by loops; the code of a row that is in no triplet is -1."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    distances = ((unit[:, None] - unit) ** 2).sum(axis=2)
    losses = []
    for anchor in range(len(codes)):
        negatives = [n for n in range(len(codes)) if codes[n] not in (-1, codes[anchor])]
        for positive in range(len(codes)):
            same = codes[anchor] == codes[positive] != -1
            if not same or positive == anchor or not negatives:
                continue
            from_anchor = distances[anchor]
            farther = [n for n in negatives if from_anchor[n] > from_anchor[positive]]
            chosen = min(from_anchor[farther]) if farther else max(from_anchor[negatives])
            losses.append(max(0.0, from_anchor[positive] - chosen + margin))
    return np.mean(losses) if losses else 0.0


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0.0, 0.2, 1.0]))
def test_triplet_loss_equals_loops(seed, n_samples, margin):
    rng = np.random.default_rng(seed)
    embeddings, codes = rng.normal(size=(n_samples, 3)), rng.integers(0, 3, n_samples)
    expected = triplet_by_hand(embeddings, codes, margin=margin)
    actual = of(triplet, embeddings, np.eye(3)[codes], margin=margin)
    assert actual == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([40, 65, 150], (40, 35)),
        ([10, 20], (20, 20)),
        ([10, 40, 150], (40, 120)),
        ([-30, 70], (70, 40)),
    ],
    ids=["nearest-of-the-farther", "least-hard", "not-the-hardest", "not-as-near"],
)
def test_the_negative_is_semi_hard(others, chosen):
    # A pair of one class at 0 and 30 degrees, each the other's anchor; each of the rest is alone.
    angles = np.radians([0, 30, *others])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    targets = np.eye(len(others) + 1)[[0, 0, *range(1, len(others) + 1)]]
    pair, *negatives = 2 - 2 * np.cos(np.radians([30, *chosen]))
    expected = np.mean([pair - negative + 3.9 for negative in negatives])
    assert of(triplet, embeddings, targets, margin=3.9) == pytest.approx(expected)


@pytest.mark.parametrize(
    "codes", [[0], [0, 1, 2], [1, 1, 1], [-1, -1]], ids=["one", "no-pair", "no-other", "unknown"]
)
def test_a_batch_without_triplets_has_no_loss_and_a_gradient_of_zero(codes, rng):
    targets = np.concatenate([np.eye(3), -np.ones((1, 3))])[codes]
    gradient = gradient_of(triplet, rng.normal(size=(len(codes), 4)), targets)
    assert (gradient == 0).all()


def test_mixed_and_unknown_rows_are_in_no_triplet(rng):
    embeddings, codes = rng.normal(size=(12, 3)), np.array([0, 1, 2] * 4)
    targets = np.eye(3)[codes]
    targets[3], targets[7], codes[[3, 7]] = (0.6, 0.4, 0.0), -1.0, -1
    expected = triplet_by_hand(embeddings, codes, margin=1.0)
    gradient = gradient_of(partial(triplet, margin=1.0), embeddings, targets)
    assert of(triplet, embeddings, targets, margin=1.0) == pytest.approx(expected)
    assert ((gradient == 0).all(dim=1).numpy() == (codes == -1)).all()


def test_two_mixed_clips_of_a_class_are_of_that_class(rng):
    embeddings, targets = rng.normal(size=(4, 3)), np.eye(2)[[0, 0, 1, 1]]
    rounded = targets * np.float32(0.9999999)
    assert of(triplet, embeddings, rounded) == of(triplet, embeddings, targets)


def test_length_and_order_of_embeddings_do_not_change_the_triplet_loss(rng):
    embeddings, targets = rng.normal(size=(10, 3)), np.eye(3)[[0, 1] * 5]
    order = rng.permutation(10)
    gains = rng.uniform(0.1, 10, (10, 1))
    expected = of(triplet, embeddings, targets)
    assert of(triplet, (gains * embeddings)[order], targets[order]) == pytest.approx(expected)


def test_as_many_embeddings_as_targets_are_wanted():
    with pytest.raises(ValueError, match="as many rows, got 3 and 2"):
        triplet(torch.zeros(3, 4), torch.eye(2))


@every_loss
def test_gradients_equal_finite_differences(loss, multi_label, rng):
    logits, targets = draw(rng, 6, multi_label=multi_label)
    targets[1] = -1
    if multi_label:
        targets[3, 2] = -1
    leaf = torch.from_numpy(logits).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, torch.from_numpy(targets)), leaf)


def test_gradients_of_triplets_equal_finite_differences(rng):
    targets = torch.eye(3)[torch.from_numpy(rng.integers(0, 3, 9))]
    leaf = torch.from_numpy(rng.normal(size=(9, 4))).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: triplet(e, targets, margin=0.7), leaf)


@every_single_label_loss
def test_a_row_with_an_unknown_label_changes_nothing(loss, rng):
    logits, targets = draw(rng, 8, multi_label=False)
    targets[[2, 5]], targets[5, 0] = -1, 0
    logits[5] = np.inf
    known = np.delete(np.arange(8), [2, 5])
    gradient = gradient_of(loss, logits, targets)
    torch.testing.assert_close(gradient[known], gradient_of(loss, logits[known], targets[known]))
    assert (gradient[[2, 5]] == 0).all()
    assert of(loss, logits, targets) == pytest.approx(of(loss, logits[known], targets[known]))


@every_multi_label_loss
@given(
    arrays(np.float64, (3, 4), elements=st.floats(-20, 20)),
    arrays(np.float64, (3, 4), elements=st.sampled_from([-1.0, 0.0, 0.25, 1.0])),
    arrays(np.float64, (3, 4), elements=st.sampled_from([-1e4, 1e4, np.inf, np.nan])),
)
def test_the_logit_of_an_unknown_label_does_not_matter(loss, logits, targets, noise):
    unknown = targets < 0
    changed = np.where(unknown, noise, logits)
    assert of(loss, changed, targets) == of(loss, logits, targets)
    assert (gradient_of(loss, changed, targets).numpy()[unknown] == 0).all()


@every_loss
def test_a_batch_of_unknown_labels_has_no_loss(loss, multi_label):
    logits = torch.zeros(2, 4, requires_grad=True)
    value = loss(logits, -torch.ones(2, 4))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@every_loss
@pytest.mark.parametrize("size", [50.0, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(loss, multi_label, size):
    logits = size * (2.0 * ((torch.arange(16)[:, None] >> torch.arange(4)) % 2) - 1)
    targets = [torch.eye(4)[[label] * 16] for label in range(4)]
    if multi_label:
        targets += [torch.zeros(16, 4), torch.ones(16, 4), torch.full((16, 4), 0.5)]
    else:
        targets += [torch.full((16, 4), 0.25)]
    for wanted in targets:
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, wanted)
        value.backward()
        assert value.isfinite()
        assert value >= 0
        assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e4])
def test_extreme_embeddings_give_finite_triplets_and_gradients(size, rng):
    leaf = (size * torch.from_numpy(rng.normal(size=(6, 4))).float()).requires_grad_()
    value = triplet(leaf, torch.eye(3)[[0, 1, 2] * 2])
    value.backward()
    assert value.isfinite()
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize(
    "function",
    [
        softmax_focal,
        cross_entropy,
        masked_binary_cross_entropy,
        binary_focal,
        partial(asymmetric, shift=0.0),
        partial(family_loss, members=MEMBERS, multi_label=True),
    ],
    ids=["focal", "cross-entropy", "binary", "binary-focal", "asymmetric", "family"],
)
def test_a_confident_mistake_costs_its_logit_and_keeps_its_gradient(function):
    logits = np.array([[-1e4, 1e4, 1e4, -1e4]], dtype=np.float32)
    targets = np.array([[1.0, 0.0, 0.0, 0.0]])
    if function in (softmax_focal, cross_entropy):
        expected = 2e4 + np.log(2)
    elif isinstance(function, partial) and function.func is family_loss:
        # The strings have two chances of exp(-1e4); flute and piano are each 1e4 too high.
        expected = (1e4 - np.log(2) + 2e4) / 3
    else:
        expected = 3e4 / 4
    assert of(function, logits, targets) == pytest.approx(expected, rel=1e-6)
    assert gradient_of(function, logits, targets)[0, 0] < 0


@every_loss
def test_under_autocast_a_loss_is_that_of_float32(loss, multi_label, rng):
    logits, targets = (torch.from_numpy(v) for v in draw(rng, 8, multi_label=multi_label))
    reduced = logits.bfloat16()
    expected = loss(reduced.float(), targets.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = loss(reduced, targets.bfloat16().float())
        whole = loss(reduced.float(), targets.float())
    assert actual.dtype == torch.float32
    assert torch.equal(whole, expected)
    torch.testing.assert_close(actual, expected, rtol=1e-2, atol=1e-3)


def test_under_autocast_triplets_are_those_of_float32(rng):
    embeddings = torch.from_numpy(rng.normal(size=(10, 16))).float()
    targets = torch.eye(3)[torch.from_numpy(rng.integers(0, 3, 10))]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = triplet(embeddings, targets)
        assert triplet(embeddings.bfloat16(), targets).dtype == torch.float32
    assert torch.equal(actual, triplet(embeddings, targets))


@every_loss
def test_the_order_of_clips_does_not_matter(loss, multi_label, rng):
    logits, targets = draw(rng, 9, multi_label=multi_label)
    order = rng.permutation(9)
    expected = of(loss, logits, targets)
    assert of(loss, logits[order], targets[order]) == pytest.approx(expected)


@every_loss
def test_logits_and_targets_of_other_shapes_are_refused(loss, multi_label):
    with pytest.raises(ValueError, match=r"one shape .*got \(3, 4\) and \(1, 4\)"):
        loss(torch.zeros(3, 4), torch.ones(1, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@every_loss
def test_cpu_and_gpu_agree(loss, multi_label, rng):
    logits, targets = (torch.from_numpy(v) for v in draw(rng, 32, multi_label=multi_label))
    expected = loss(logits, targets)
    if "members" in getattr(loss, "keywords", {}):
        loss = partial(loss, members=MEMBERS.cuda())
    torch.testing.assert_close(loss(logits.cuda(), targets.cuda()).cpu(), expected)


def test_balanced_weights_equal_scikit_learns_for_single_labels():
    codes = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    actual = balanced_weights(torch.eye(3)[codes], multi_label=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_balanced_weights_count_annotated_negatives_per_positive():
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0], [-1.0, -1.0]])
    assert balanced_weights(targets, multi_label=True).tolist() == [2.0, 1.0]


def test_balanced_weights_leave_out_unknown_rows():
    targets = torch.cat([torch.eye(2)[[0, 0, 1]], -torch.ones(5, 2)])
    assert balanced_weights(targets, multi_label=False).tolist() == [0.75, 1.5]


def test_balanced_weights_count_soft_targets_by_their_share():
    targets = torch.tensor([[0.75, 0.25]] * 8)
    weights = balanced_weights(targets, multi_label=False)
    torch.testing.assert_close(weights, torch.tensor([8 / 12, 2.0]))
    assert balanced_weights(targets[:1], multi_label=True).max() <= 1


NEEDED = {"family": {"families": FAMILIES, "classes": LABELS}}


def made(name, *, multi_label, targets=None, **settings):
    if targets is None:
        targets = torch.eye(4)[[0, 1, 2, 3] * 2]
    return create_losses(
        name, targets, multi_label=multi_label, **{**NEEDED.get(name, {}), **settings}
    )


def test_all_losses_are_listed_by_task():
    single = ["arcface", "cross_entropy", "family", "focal", "triplet"]
    multi = ["asymmetric", "binary_cross_entropy", "family", "focal"]
    assert list_losses(multi_label=False) == single
    assert list_losses(multi_label=True) == multi
    assert list_losses() == sorted({*single, *multi})


EVERY_NAME = [(name, task) for task in (False, True) for name in list_losses(multi_label=task)]
every_name = pytest.mark.parametrize(("name", "multi_label"), EVERY_NAME)


@every_name
def test_every_loss_can_be_made_called_and_pickled(name, multi_label, rng):
    logits, targets = (torch.from_numpy(v) for v in draw(rng, 8, multi_label=multi_label))
    embeddings = torch.from_numpy(rng.normal(size=(8, 5)))
    made_losses = made(name, multi_label=multi_label, class_weight="balanced", label_smoothing=0.1)
    again = pickle.loads(pickle.dumps(made_losses))
    for loss, copy in zip(made_losses, again, strict=True):
        value = loss(logits, targets, embeddings)
        assert value.ndim == 0
        assert value > 0
        assert torch.equal(copy(logits, targets, embeddings), value)
    assert made_losses[1](logits, targets).isfinite()


@every_name
def test_the_options_of_a_loss_are_those_of_its_function(name, multi_label):
    config = get_loss_config(name, multi_label=multi_label)
    parameters = inspect.signature(config.of_task(multi_label=multi_label)).parameters
    given = {"weight", "label_smoothing", "members", "multi_label"}
    keyword_only = {key for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert keyword_only - given == {*config.ranges, *config.flags}
    for option in config.ranges:
        low, limit = config.ranges[option]
        assert low <= parameters[option].default < limit


@every_name
def test_a_stray_option_is_refused_with_the_allowed_ones(name, multi_label):
    with pytest.raises(ValueError, match=rf"options of the loss '{name}'.* got \['gama'\]"):
        made(name, multi_label=multi_label, gama=2.0)


@pytest.mark.parametrize(
    ("name", "multi_label"),
    [
        ("arcface", True),
        ("triplet", True),
        ("cross_entropy", True),
        ("asymmetric", False),
        ("binary_cross_entropy", False),
    ],
)
def test_a_loss_that_is_not_for_the_task_is_refused(name, multi_label):
    message = rf"must be one of \['auto', .*\], got '{name}', which is not for this task"
    with pytest.raises(ValueError, match=message):
        made(name, multi_label=multi_label)


def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \[.*'focal'.*\], got 'hinge'$"):
        made("hinge", multi_label=False)


@pytest.mark.parametrize(
    ("name", "multi_label", "settings", "message"),
    [
        ("focal", False, {"gamma": -1}, r"gamma must be a number in \[0, inf\), got -1"),
        ("focal", True, {"gamma": "2"}, r"gamma must be a number in .*, got '2'"),
        ("focal", True, {"gamma": float("nan")}, "gamma must be a number in .*, got nan"),
        ("asymmetric", True, {"shift": 1.0}, r"shift must be a number in \[0, 1\), got 1.0"),
        ("arcface", False, {"margin": 2.0}, r"margin must be .* \[0, 1.571\), got 2.0"),
        ("arcface", False, {"easy_margin": "no"}, "easy_margin must be true or false, got 'no'"),
        ("triplet", False, {"alpha": True}, r"alpha must be a number in \[0, inf\), got True"),
        ("auto", False, {"label_smoothing": 1.0}, r"label_smoothing must be .*, got 1.0"),
        ("auto", False, {"class_weight": "rare"}, "class_weight must be None or 'balanced', got"),
        ("family", True, {"classes": None}, r"one for each of 4 columns, got \[\]"),
        ("family", True, {"families": None}, "families must map each family .*, got None"),
        ("family", True, {"main": "family"}, "main must be a loss that takes a term .* 'family'"),
        ("triplet", False, {"main": "arcface"}, "main must be a loss that takes .* 'arcface'"),
        ("triplet", False, {"main": "asymmetric"}, "got 'asymmetric', which is not for this task"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, multi_label, settings, message):
    with pytest.raises(ValueError, match=message):
        made(name, multi_label=multi_label, **settings)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ValueError, match=r"'gamma'.*shift must.*label_smoothing.*class_weight"):
        made(
            "asymmetric",
            multi_label=True,
            gamma=2,
            shift=7,
            label_smoothing=-1,
            class_weight=True,
        )


@pytest.mark.parametrize(
    "targets",
    [torch.eye(3), torch.eye(3)[[1, 1, 1]], torch.full((6, 3), 1 / 3)],
    ids=["no-pair", "one-class", "soft"],
)
def test_targets_without_triplets_are_refused(targets):
    with pytest.raises(ValueError, match="must be given two rows or more of one class alone"):
        made("triplet", multi_label=False, targets=targets)


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_auto_is_the_cross_entropy_of_the_task(multi_label, rng):
    logits, targets = draw(rng, 8, multi_label=multi_label)
    plain = masked_binary_cross_entropy if multi_label else cross_entropy
    for loss in made("auto", multi_label=multi_label):
        assert of(loss, logits, targets) == of(plain, logits, targets)


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_losses_are_weighted_and_smoothed_for_training_alone(multi_label, rng):
    logits, targets = draw(rng, 8, multi_label=multi_label, soft=False)
    labels = torch.from_numpy(targets)
    loss, validation_loss = create_losses(
        "auto", labels, multi_label=multi_label, class_weight="balanced", label_smoothing=0.1
    )
    plain = masked_binary_cross_entropy if multi_label else cross_entropy
    settings = {
        "weight": balanced_weights(labels, multi_label=multi_label),
        "label_smoothing": 0.1,
    }
    assert of(loss, logits, targets) == of(plain, logits, targets, **settings)
    assert of(validation_loss, logits, targets) == of(plain, logits, targets)


@pytest.mark.parametrize("multi_label", [False, True], ids=["single", "multi"])
def test_the_family_term_is_added_to_any_loss(multi_label, rng):
    logits, targets = draw(rng, 8, multi_label=multi_label)
    loss, validation_loss = made(
        "family", multi_label=multi_label, main="focal", gamma=1.0, alpha=0.8
    )
    focal = of(binary_focal if multi_label else softmax_focal, logits, targets, gamma=1.0)
    term = of(family_loss, logits, targets, members=MEMBERS, multi_label=multi_label)
    assert of(loss, logits, targets) == pytest.approx(focal + 0.8 * term)
    assert of(validation_loss, logits, targets) == focal


def test_the_triplet_term_is_added_over_embeddings(rng):
    logits, targets = (torch.from_numpy(v) for v in draw(rng, 12, multi_label=False))
    embeddings = torch.from_numpy(rng.normal(size=(12, 5)))
    loss, validation_loss = made("triplet", multi_label=False, margin=0.7, alpha=0.4)
    expected = cross_entropy(logits, targets) + 0.4 * triplet(embeddings, targets, margin=0.7)
    torch.testing.assert_close(loss(logits, targets, embeddings), expected)
    torch.testing.assert_close(validation_loss(logits, targets), cross_entropy(logits, targets))
    with pytest.raises(ValueError, match="must be given embeddings beside logits, got none"):
        loss(logits, targets)


def test_arcface_asks_for_its_margin_while_training_alone(rng):
    logits, targets = rng.uniform(-30, 30, (8, 4)), draw(rng, 8, multi_label=False)[1]
    loss, validation_loss = made("arcface", multi_label=False, margin=0.4, easy_margin=True)
    expected = of(arcface, logits, targets, margin=0.4, easy_margin=True)
    assert of(loss, logits, targets) == expected
    assert of(validation_loss, logits, targets) == of(cross_entropy, logits, targets)


def test_descriptions_tell_what_the_network_must_give():
    configs = {name: get_loss_config(name, multi_label=False) for name in ("arcface", "triplet")}
    assert configs["arcface"].needs_cosine_head
    assert not configs["arcface"].needs_embeddings
    assert configs["triplet"].needs_embeddings
