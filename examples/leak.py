"""A leak test: what is scored where there is nothing to learn.

    python examples/leak.py
    python examples/leak.py --notes 180 --seed 3 -o leak.png

Notes are made, and of each note some clips that differ by a hair: in level, by a few cents, in the
noise. Then an even pack of three labels is shuffled and dealt to the notes, and all clips of a note
bear its label. The sound says nothing of the label, so on notes that it never heard no model can
hope for more than one right answer in three.

The same models are scored twice. Once every note is a group, which stays in one fold, as
`fit-ensemble` deals them. And once each clip goes to a fold by itself, as scikit-learn deals unless
told otherwise: then nearly every clip that is asked about has a twin among those learned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from classical import OneVsRestSVMClassifier, OneVsRestXGBClassifier
from ensemble import StackingEnsembleClassifier
from features import AudioFeatureExtractor
from reports.metrics import accuracy
from reports.plots.models import plot_models
from reports.plots.projection import plot_projection
from reports.plots.style import MUTED, new_figure
from reports.significance import as_leaves, estimate, group_bootstrap_weights

SR = 22050
DURATION_S = 0.5
LABELS = ("brass", "strings", "voice")
CHANCE = 1 / len(LABELS)
MODELS = ("stack", "average", "svm", "xgb")
WHOLE, TORN = "notes kept whole", "notes torn apart"


def make_note(rng: np.random.Generator, n_clips: int) -> list[np.ndarray]:
    """Synthesise clips of one note that are all but the same."""
    t = np.arange(int(SR * DURATION_S)) / SR
    f0, decay, partials = rng.uniform(110, 880), rng.uniform(2, 12), rng.dirichlet(np.ones(8))
    clips = []
    for _ in range(n_clips):
        heard_f0 = f0 * 2 ** (rng.normal(scale=3) / 1200)
        tone = sum(a * np.sin(2 * np.pi * k * heard_f0 * t) for k, a in enumerate(partials, 1))
        noise = rng.normal(scale=0.002, size=len(t))
        clips.append(rng.uniform(0.5, 0.8) * (np.exp(-decay * t) * tone + noise))
    return clips


def score_models(
    X: np.ndarray, y: np.ndarray, notes: np.ndarray, *, groups: np.ndarray | None
) -> dict[str, Any]:
    """Give the out-of-fold accuracy of every model, with its 95 % interval over notes."""
    members = [
        ("svm", OneVsRestSVMClassifier(random_state=0), None),
        ("xgb", OneVsRestXGBClassifier(random_state=0), None),
    ]
    # Nested: where members know nothing, the quicker scores of a stack are a little too good.
    stack = StackingEnsembleClassifier(members, cv=5, nested=True).fit(X, y, groups=groups)
    truth = (y[:, None] == stack.classes_).astype(np.int8)
    replicates = group_bootstrap_weights(notes)
    return {
        name: as_leaves(estimate(accuracy, truth, stack.oof_decisions_[name], weights=replicates))[
            0
        ]
        for name in MODELS
    }


def make_table(scores: dict[str, dict[str, Any]]) -> Table:
    """Set the two ways side by side."""
    table = Table("accuracy", box=None)
    for way in scores:
        table.add_column(way, justify="right")
        table.add_column("95 % interval")
    for model in MODELS:
        leaves = [scores[way][model] for way in scores]
        cells = [(f"{x['value']:.3f}", f"{x['low']:.3f} to {x['high']:.3f}") for x in leaves]
        table.add_row(model, *sum(cells, ()))
    table.add_row("chance", *(f"{CHANCE:.3f}", "") * len(scores))
    return table


def conclude(scores: dict[str, dict[str, Any]]) -> str:
    """Say what the table means."""
    whole, torn = scores[WHOLE]["stack"], scores[TORN]["stack"]
    verdict = (
        "which is chance"
        if whole["low"] <= CHANCE <= whole["high"]
        else "beside chance, as now and then one is: try another seed"
    )
    return (
        f"The labels were dealt by chance. With notes kept whole the stack scores "
        f"{whole['value']:.3f} ({whole['low']:.3f} to {whole['high']:.3f}), {verdict}. With notes "
        f"torn apart it seems to score {torn['value']:.3f}: it knows the notes again, and has "
        "learned nothing else."
    )


def draw(path: Path, X: np.ndarray, y: np.ndarray, scores: dict[str, dict[str, Any]]) -> None:
    """Draw the clips as the models see them, and what they score."""
    figure = new_figure(width=13, height=3.4)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.4))
    ax = plot_projection(
        PCA(2).fit_transform(StandardScaler().fit_transform(X)),
        y[:, None] == np.array(LABELS),
        classes=LABELS,
        axis_names=("first principal component", "second"),
        ax=left.subplots(),
    )
    ax.set_title("Features of all clips: twins lie together")
    models = {model: {way: scores[way][model] for way in scores} for model in MODELS}
    plot_models(models, metrics={way: f"Accuracy, {way}" for way in scores}, figure=right)
    for ax in right.axes:
        ax.axvline(CHANCE, color=MUTED, linestyle=":", zorder=0)
        ax.text(CHANCE + 0.02, 0.5, "chance", color=MUTED, fontsize=9)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make the notes, deal the labels, score both ways."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--notes", type=int, default=90, help="number of notes")
    parser.add_argument("--clips", type=int, default=4, help="clips of each note")
    parser.add_argument("--seed", type=int, default=0, help="seed of the notes and of the deal")
    parser.add_argument("-o", "--output", type=Path, help="draw a picture into this PNG")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    clips = [clip for _ in range(args.notes) for clip in make_note(rng, args.clips)]
    notes = np.arange(args.notes).repeat(args.clips)
    y = rng.permutation(np.resize(LABELS, args.notes))[notes]

    X = AudioFeatureExtractor("compact-v1").fit_transform(clips)
    scores = {
        WHOLE: score_models(X, y, notes, groups=notes),
        TORN: score_models(X, y, notes, groups=None),
    }
    console = Console(highlight=False, width=100)
    console.print(make_table(scores))
    console.print(conclude(scores))
    if args.output:
        draw(args.output, X, y, scores)


if __name__ == "__main__":
    main()
