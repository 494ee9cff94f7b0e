"""config.example.yaml, rendered from the models: `python -m colorwatch.config.example > config.example.yaml`."""

from __future__ import annotations

import textwrap

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from colorwatch.config.retaining import Retention
from colorwatch.config.schema import Config, Folder, Limits, Logging, ModelPath
from colorwatch.config.telling import Metrics, Notify
from colorwatch.config.values import Takes
from colorwatch.config.working import Work

WIDTH = 88

_HEAD = """\
# The config of colorwatch.
#
# Lines that begin with "# " explain. Lines that begin with "#" and a word are settings
# at the value they have anyway: to change one, take its # away and write another value.
# Paths that begin with ./ are looked for beside this file. Indent with spaces.
# To see whether all is well: colorwatch check-config --config FILE
"""

# Shown although there is a default: what works without any rights on the machine.
_SHOWN = {"state"}
# What a first config is to have although a config that says nothing has it not (docs/design.md: the gallery).
_WANTED = {"gallery": "true"}
_SECTIONS: dict[str, type[BaseModel]] = {
    "limits": Limits,
    "work": Work,
    "retention": Retention,
    "logging": Logging,
    "notify": Notify,
    "metrics": Metrics,
}


def render() -> str:
    """The text of config.example.yaml: every key, its description, and its default or an example."""
    return "\n".join([_HEAD, *(_key(name, field) for name, field in Config.model_fields.items())])


def _key(name: str, field: FieldInfo) -> str:
    text = _comment(field.description or "", "")
    if name == "folders":
        return text + "folders:\n" + _folder()
    if name == "model":
        return text + f"#model: {_example(field)}\n" + _own_model()
    if name in _SECTIONS:
        return text + f"{name}:\n" + _settings(_SECTIONS[name], "  ")
    return text + f"{'' if name in _SHOWN else '#'}{name}: {_example(field)}\n"


def _folder() -> str:
    text = _settings(Folder, "    ")
    # The dash of a list entry stands where the first key would be indented.
    first = next(iter(Folder.model_fields))
    return text.replace(f"    {first}:", f"  - {first}:", 1)


def _settings(model: type[BaseModel], indent: str) -> str:
    blocks = []
    for name, field in model.model_fields.items():
        mark = "" if field.is_required() or name in _WANTED else "#"
        value = _WANTED.get(name, _example(field))
        blocks.append(_comment(field.description or "", indent) + f"{indent}{mark}{name}: {value}\n")
    return "\n".join(blocks)


def _own_model() -> str:
    block = "model:\n" + _settings(ModelPath, "  ").replace("\n\n", "\n")
    intro = _comment("Or a model file of your own: take the # away from all of these lines instead.", "")
    return "#\n" + intro + textwrap.indent(block, "#")


def _example(field: FieldInfo) -> str:
    return next(item.example for item in field.metadata if isinstance(item, Takes))


def _comment(text: str, indent: str) -> str:
    return textwrap.indent(textwrap.fill(text, WIDTH - len(indent) - 2), f"{indent}# ") + "\n"


if __name__ == "__main__":
    print(render(), end="")
