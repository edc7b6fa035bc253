"""The JSON Schema of lab.yaml and the keys of its mappings, derived from its model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from labctl.config import daemon_json, faults, playbook_settings
from labctl.config.model import LabSpec, lab_model


def model_of_labctl() -> type[LabSpec]:
    """Return the model of lab.yaml with the keys of labctl's own playbooks."""
    settings = playbook_settings.of_labctl().values()
    return lab_model(tuple(one.keys for one in settings if one.keys is not None))


def keys_at(path: faults.KeyPath, lab: type[LabSpec]) -> tuple[str, ...]:
    """Return the keys that the mapping at `path` may have; empty if it may have any key."""
    if path[:2] == ("docker", "daemon"):
        return tuple(daemon_json.KEYS) if len(path) == 2 else ()
    model: type[BaseModel] | None = lab
    for part in path:
        if isinstance(part, str):
            known = model.model_fields.get(part) if model else None
            model = _model_in(known.annotation) if known else None
    return tuple(model.model_fields) if model else ()


def json_schema(unchecked: Iterable[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema of lab.yaml, which editors use to complete and check it.

    Parameters:
        unchecked: further top-level keys, which may have any value.
    """
    schema = model_of_labctl().model_json_schema()
    schema["properties"] |= {
        key: {"description": "Key of a playbook in this lab's folder."}
        for key in sorted(set(unchecked) - schema["properties"].keys())
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "lab.yaml",
    }


def drop_empty_sections(values: dict[str, Any], model: type[BaseModel]) -> None:
    """Remove the sections of `values` that have no value.

    This is what is left of a section if all of its lines are comments.
    """
    for key, value in list(values.items()):
        known = model.model_fields.get(key)
        if known is None:
            continue
        if value is None and _is_collection(known.annotation) and not known.is_required():
            del values[key]
        elif isinstance(value, dict) and (inner := _model_in(known.annotation)):
            drop_empty_sections(value, inner)


def _is_collection(annotation: object) -> bool:
    """Return True if a type is a mapping or a list and nothing else."""
    if get_origin(annotation) in (dict, tuple):
        return True
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model somewhere inside a type annotation, None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model_in(part))), None)
