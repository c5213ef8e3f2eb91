"""What a trained network listens to: Grad-CAM, attention over time, embeddings for a projector."""

from deep.explanation.attention import compute_attention
from deep.explanation.explaining import ClipExplanation, LabelExplanation, explain_clip
from deep.explanation.grad_cam import compute_grad_cam
from deep.explanation.networks import ChosenNetworks, ExplainedModel
from deep.explanation.projector import describe_clips, write_projector

__all__ = [
    "ChosenNetworks",
    "ClipExplanation",
    "ExplainedModel",
    "LabelExplanation",
    "compute_attention",
    "compute_grad_cam",
    "describe_clips",
    "explain_clip",
    "write_projector",
]
