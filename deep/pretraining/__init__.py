"""Self-supervised pre-training: a backbone learns from sound alone, no label is looked at.

A pretext task asks something that the sound itself answers: which patches of a spectrogram are not
where they were (``"patches"``), what was hidden (``"masked"``), which two crops are of one clip
(``"contrastive"``). Its decoder is thrown away; the backbone is what a training starts from.

Conventions: as in `deep.training`, whose schedules, checkpoints and randomness these trainings use.
Rows of split=test are left out unless somebody says otherwise, and the card of a backbone lists the
clips that it saw: a score on those clips is not that of unseen sound.
"""

from deep.pretraining.pretrained import PretrainedBackbone
from deep.pretraining.pretraining import pretrain_backbone
from deep.pretraining.settings import PretrainingSettings
from deep.pretraining.starting import load_pretrained_backbone
from deep.pretraining.tasks import list_tasks
from deep.pretraining.unlabelled import UnlabelledClips, find_clips

__all__ = [
    "PretrainedBackbone",
    "PretrainingSettings",
    "UnlabelledClips",
    "find_clips",
    "list_tasks",
    "load_pretrained_backbone",
    "pretrain_backbone",
]
