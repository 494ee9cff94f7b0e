"""The config: a YAML file read into frozen models, every fault found at once and named by file, line and key."""

from colorwatch.config.loading import load, load_to_run
from colorwatch.config.schema import Config, Folder, Limits, Logging, ModelPath
from colorwatch.config.telling import Metrics, Notify
from colorwatch.config.values import MODEL_NAMES
from colorwatch.config.working import Work

__all__ = [
    "MODEL_NAMES",
    "Config",
    "Folder",
    "Limits",
    "Logging",
    "Metrics",
    "ModelPath",
    "Notify",
    "Work",
    "load",
    "load_to_run",
]
