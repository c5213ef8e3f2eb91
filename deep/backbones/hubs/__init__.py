"""Models of other libraries, with weights from their hubs: Hugging Face, timm, torchaudio."""
