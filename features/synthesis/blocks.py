"""Folds and blocks: a mix is made of sounds of one block, which no source leaves.

A mix belongs to all the groups that its sources come from, so those must be on one side of every
split. Groups are dealt whole into folds, the groups of a fold into blocks, and a mix's group is its
block: K folds of B blocks. Validation and test clips are dealt apart, without folds unless they
have some.

How many blocks? Intervals are drawn by group, and of fewer than 20 groups there are none; but the
smaller a block, the fewer sounds can meet in it. So a split has 25 blocks in all, less where its
groups could not give every block twice as many labels as a mix has voices.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.folds import deal_groups, make_folds
from features.manifest import SPLITS, Manifest
from features.synthesis.sources import Source, list_sources

# Below 20 groups a bootstrap by group tells too little; a fourth more, since some may be lost.
GROUPS_NEEDED, BLOCKS_WANTED = 20, 25

# Labels in a block for each voice of a mix, so that it is not always the same that meet.
LABELS_PER_VOICE = 2


@dataclass(frozen=True)
class Block:
    """Sources that may meet, and how many mixes to make of them.

    Parameters
    ----------
    name, split : str
        Group and split of its mixes.
    fold : int
        Fold of its mixes, -1 for none.
    key : tuple of int
        Keys its random draws.
    sources : sequence of Source
        All that may be drawn.
    n_mixes : int
        How many are wanted.
    """

    name: str
    split: str
    fold: int
    key: tuple[int, ...]
    sources: Sequence[Source]
    n_mixes: int


def deal_blocks(
    manifest: Manifest,
    *,
    voices: tuple[int, int] = (2, 3),
    n_folds: int = 5,
    n_blocks: int | None = None,
    splits: Sequence[str] | None = None,
    seed: int = 0,
) -> Manifest:
    """Deal the groups of clips into folds and blocks.

    Parameters
    ----------
    manifest : Manifest
        The clips; without a split they are for training. Folds that it has are kept.
    voices : tuple of int
        Fewest and most labels that are to sound together.
    n_folds : int
        Folds of the training clips, where the manifest has none.
    n_blocks : int or None
        Blocks of each fold; None: as many as the labels allow, up to 25 in a split.
    splits : sequence of str or None
        Splits to deal, of train, validation and test; None deals all that there are.
    seed : int
        Decides between equals.

    Returns
    -------
    Manifest
        The same rows; `group` is the block, the former group is in a column `source_group`. Splits
        that are not dealt keep their groups.

    Raises
    ------
    ValueError
        If `n_folds` or `n_blocks` is too small, a split is unknown or empty, some of its clips have
        a fold and some not, there are fewer groups than folds or blocks, or a block has fewer
        labels than the smallest mix.

    Warns
    -----
    UserWarning
        If `n_blocks` is None and a split has so few groups or labels that less than 20 blocks come
        of it.
    """
    if n_blocks is not None and n_blocks < 1:
        raise ValueError(f"there must be at least 1 block in each fold, got {n_blocks}")
    clips = manifest.clips.copy()
    truth = manifest.label_matrix(manifest.classes)
    former = clips["group"].to_numpy(dtype=object)
    split = clips["split"].replace("", "train").to_numpy(dtype=object)
    fold = clips["fold"].to_numpy(dtype=int).copy()
    block = former.copy()
    for name in _check_splits(splits, split):
        rows = np.flatnonzero(split == name)
        fold[rows] = _give_folds(name, fold[rows], truth[rows], former[rows], n_folds, seed)
        parts = [rows[fold[rows] == each] for each in np.unique(fold[rows])]
        n_wanted = -(-BLOCKS_WANTED // len(parts))
        for part in parts:
            where = f"{name}-fold-{fold[part[0]]}" if fold[part[0]] >= 0 else name
            dealer = _Dealer(where, truth[part], former[part], voices, seed)
            numbers = dealer.deal_up_to(n_wanted) if n_blocks is None else dealer.deal(n_blocks)
            block[part] = [f"{where}-block-{number:02d}" for number in numbers]
        n_dealt = len(set(block[rows]))
        if n_blocks is None and n_dealt < GROUPS_NEEDED:
            warnings.warn(
                f"the {name} clips, of {len(set(former[rows]))} groups, make {n_dealt} blocks to "
                f"mix in; an interval by group needs {GROUPS_NEEDED}",
                stacklevel=2,
            )
    dealt = clips.assign(split=split, fold=fold, group=block, source_group=former)
    return replace(manifest, clips=dealt, groups_given=True)


def _check_splits(splits: Sequence[str] | None, present: np.ndarray) -> list[str]:
    found = [name for name in SPLITS if (present == name).any()]
    wanted = found if splits is None else list(dict.fromkeys(splits))
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(
            f"splits must be of those that have clips ({', '.join(found) or 'none'}), "
            f"got {', '.join(map(repr, wanted)) or 'none'}"
        )
    return wanted


def _give_folds(
    split: str,
    folds: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    n_folds: int,
    seed: int,
) -> np.ndarray:
    """Keep the folds there are, or make them for training clips."""
    given = folds >= 0
    if given.any() and not given.all():
        raise ValueError(
            f"either all {split} clips must have a fold or none, {given.sum()} of {len(given)} "
            "have; fill the others in or take the column out"
        )
    if given.any() or split != "train":
        return folds
    n_groups = len(set(groups))
    if n_groups < n_folds:
        raise ValueError(
            f"{n_folds} folds need at least as many groups, the {split} clips have {n_groups}; ask "
            "for fewer folds"
        )
    return make_folds(truth, groups, n_folds=n_folds, random_state=seed)


class _Dealer:
    """Deals the groups of one fold, or of a split without folds."""

    def __init__(
        self,
        where: str,
        truth: np.ndarray,
        groups: np.ndarray,
        voices: tuple[int, int],
        seed: int,
    ) -> None:
        self._where, self._seed = where, seed
        self._fewest, self._most = voices
        self._present = truth == 1
        self._truth = truth
        names, self._group_of_row = np.unique(groups.astype(str), return_inverse=True)
        self._n_groups = len(names)

    def deal(self, n_blocks: int) -> np.ndarray:
        """Deal into so many blocks, or raise."""
        if self._n_groups < n_blocks:
            raise ValueError(
                f"{n_blocks} blocks need at least as many groups, {self._where} has "
                f"{self._n_groups}; ask for fewer blocks or folds"
            )
        blocks = deal_groups(
            self._truth, self._group_of_row, shares=[1.0] * n_blocks, random_state=self._seed
        )
        fewest = self._fewest_labels(blocks)
        if fewest < self._fewest:
            raise ValueError(
                f"each block of {self._where} must have at least {self._fewest} labels to mix, "
                f"one of {n_blocks} has {fewest}; ask for fewer blocks, folds, voices or splits"
            )
        return blocks

    def deal_up_to(self, n_wanted: int) -> np.ndarray:
        """Deal into as many blocks as the labels allow."""
        needed = min(LABELS_PER_VOICE * self._most, int(self._present.any(axis=0).sum()))
        for n_blocks in range(min(n_wanted, self._n_groups), 1, -1):
            # A label is in no more blocks than it has groups: what cannot be is not tried.
            if np.minimum(self._groups_of_labels, n_blocks).sum() < n_blocks * needed:
                continue
            blocks = deal_groups(
                self._truth, self._group_of_row, shares=[1.0] * n_blocks, random_state=self._seed
            )
            if self._fewest_labels(blocks) >= max(needed, self._fewest):
                return blocks
        return self.deal(1)

    @property
    def _groups_of_labels(self) -> np.ndarray:
        """Number of groups that have each label."""
        of_group = np.zeros((self._n_groups, self._present.shape[1]), dtype=bool)
        np.logical_or.at(of_group, self._group_of_row, self._present)
        return of_group.sum(axis=0)

    def _fewest_labels(self, blocks: np.ndarray) -> int:
        return min(
            int(self._present[blocks == block].any(axis=0).sum()) for block in np.unique(blocks)
        )


def gather_blocks(
    dealt: Manifest, *, column: str | None = None, splits: Sequence[str] | None = None
) -> list[Block]:
    """Gather the labelled clips of each block.

    Parameters
    ----------
    dealt : Manifest
        As `deal_blocks` gives it.
    column : str or None
        Where clips must agree to be mixed.
    splits : sequence of str or None
        Those that were dealt; None: all.

    Returns
    -------
    list of Block
        By split, fold and name, each with a mix for each of its clips.
    """
    sources = list_sources(dealt, column=column)
    members: dict[tuple[int, int, str], list[Source]] = {}
    wanted = SPLITS if splits is None else splits
    for source, split, fold, name in zip(
        sources, dealt.clips["split"], dealt.clips["fold"], dealt.clips["group"], strict=True
    ):
        if split in wanted:
            # A block without labels is one all the same, or the seeds of others would change.
            inside = members.setdefault((SPLITS.index(split), int(fold), name), [])
            if source.labels:
                inside.append(source)
    return [
        Block(name, SPLITS[split], fold, (split, fold + 1, number), inside, len(inside))
        for number, ((split, fold, name), inside) in enumerate(sorted(members.items()))
    ]


def share_mixes(blocks: Sequence[Block], n_mixes: int | None) -> list[Block]:
    """Share mixes out to blocks.

    Parameters
    ----------
    blocks : sequence of Block
        With their sources.
    n_mixes : int or None
        Mixes in all; None leaves one for each source.

    Returns
    -------
    list of Block
        With mixes in proportion to their sources, by largest remainder.
    """
    if n_mixes is None:
        return list(blocks)
    sizes = np.array([len(block.sources) for block in blocks])
    exact = n_mixes * sizes / sizes.sum()
    shares = np.floor(exact).astype(int)
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: n_mixes - shares.sum()]] += 1
    return [replace(block, n_mixes=int(n)) for block, n in zip(blocks, shares, strict=True)]
