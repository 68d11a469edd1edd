"""From a scenario's table to a frozen, typed spec; its canonical text and digest."""

import hashlib
import json
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

import pydantic

from scenarios.catalogue import available, did_you_mean, load, override, purpose
from scenarios.errors import InputError

__all__ = ["Part", "Spec", "available", "canonical", "digest", "load", "override", "parse", "purpose"]


class Spec(pydantic.BaseModel):
    """What every scenario says. A simulator's own spec adds its fields; values do not change and unknown keys fail.

    `purpose` is one line for the list of scenarios, `version` grows when the file changes what it makes, `seed` is
    the root of every random stream.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    purpose: str = pydantic.Field(min_length=1)
    version: int = pydantic.Field(ge=1)
    seed: int = pydantic.Field(ge=0)


class Part(pydantic.BaseModel):
    """A table of a scenario: frozen, unknown keys refused; a pair of numbers is a range, a table of numbers weights."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    weighs: ClassVar[bool] = True
    """Whether its tables are weights."""

    @pydantic.model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for name, value in self:
            if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
                low, high = value
                if not 0 < low <= high:
                    raise ValueError(f"{name} must be two positive numbers in ascending order; it is [{low}, {high}]")
            if self.weighs and isinstance(value, dict) and not sum(value.values()) > 0:
                raise ValueError(f"{name} must have a weight above 0; it is {value}")
        return self


S = TypeVar("S", bound=pydantic.BaseModel)


def parse(model: type[S], name: str, table: Mapping[str, Any]) -> S:
    """The spec that a scenario's table describes.

    Raises InputError with one line for the first thing that is wrong: its place in the file, the rule, what came; for
    an unknown key the nearest known one.
    """
    try:
        return model.model_validate(dict(table))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"scenario '{name}': {_explain(model, first)}") from error


def canonical(spec: pydantic.BaseModel) -> str:
    """The resolved spec as canonical JSON: every field, sorted keys, no blanks."""
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(spec: pydantic.BaseModel) -> str:
    """The sha256 of the canonical spec, in hex."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def _explain(model: type[pydantic.BaseModel], error: Any) -> str:
    """One pydantic error as 'place rule; what came'."""
    place = [part for part in error["loc"] if not _is_tag(part)]
    where, kind, came, context = ".".join(map(str, place)), error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        owner = _model_at(model, place[:-1])
        return f"unknown key '{where}'{did_you_mean(str(place[-1]), owner.model_fields) if owner else ''}"
    if kind == "missing":
        return f"{where} must be given; it is absent"
    if kind in ("too_short", "too_long"):
        word, name = ("least", "min_length") if kind == "too_short" else ("most", "max_length")
        entries = "entry" if context[name] == 1 else "entries"
        return f"{where} must have at {word} {context[name]} {entries}; it has {len(came)}"
    if kind == "value_error":
        text = " ".join(str(context.get("error", error["msg"])).split())
        return f"{where}: {text}" if where else text
    return f"{where} must {_rule(error['msg'])}; it is {_short(came)}"


def _rule(message: str) -> str:
    """Pydantic's sentence without its subject: 'Input should be greater than 0' -> 'be greater than 0'."""
    _, found, rule = message.partition(" should ")
    return rule if found else f"be right ({message})"


def _short(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_tag(part: Any) -> bool:
    """Whether part of an error's place names a type, not a key (pydantic adds those for unions)."""
    return isinstance(part, str) and ("[" in part or part in {"int", "float", "str", "bool", "constrained-str"})


def _model_at(model: type[pydantic.BaseModel], place: list[Any]) -> type[pydantic.BaseModel] | None:
    """The model that a place inside another model holds, or None."""
    annotation: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        if (values := _values_of(annotation)) is not None:
            annotation = values
            continue
        owner = _models_in(annotation)
        field = owner.model_fields.get(part) if owner else None
        if field is None:
            return None
        annotation = field.annotation
    return _models_in(annotation)


def _values_of(annotation: Any) -> Any:
    """What the values of a table of any keys are, as Clock in `dict[str, Clock]`; None for another annotation."""
    if isinstance(get_origin(annotation), type) and issubclass(get_origin(annotation), Mapping):
        return get_args(annotation)[1]
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return next((found for a in get_args(annotation) if (found := _values_of(a)) is not None), None)
    return None


def _models_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The first model inside an annotation such as `tuple[Clock, ...]` or `Faults | None`."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, pydantic.BaseModel) else None
    if get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        return next((found for a in get_args(annotation) if (found := _models_in(a))), None)
    return None
