"""The config: a YAML file read into frozen models, every fault found at once and named by file, line and key."""

from colorwatch.config.loading import load
from colorwatch.config.schema import MODEL_NAMES, Config, Folder, Limits, Logging, ModelPath

__all__ = ["MODEL_NAMES", "Config", "Folder", "Limits", "Logging", "ModelPath", "load"]
