"""Label smoothing: targets that are never quite certain.

References
----------
C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture
for computer vision", CVPR 2016.
"""

from __future__ import annotations

from torch import Tensor


def smooth_rows(targets: Tensor, share: float) -> Tensor:
    """Spread a share of each row over all classes.

    Parameters
    ----------
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one.
    share : float
        Share in [0, 1).

    Returns
    -------
    Tensor of shape (n_samples, n_classes)
        Rows that sum to one.
    """
    return targets * (1 - share) + share / targets.shape[1]


def smooth_labels(targets: Tensor, share: float) -> Tensor:
    """Move each label towards one half.

    Parameters
    ----------
    targets : Tensor of shape (n_samples, n_classes)
        From 0 to 1.
    share : float
        Share of the way in [0, 1).

    Returns
    -------
    Tensor of shape (n_samples, n_classes)
        From ``share / 2`` to ``1 - share / 2``.
    """
    return targets * (1 - share) + 0.5 * share
