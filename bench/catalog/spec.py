"""What exists: torch-free descriptions of margins, gates, backbones, formats, … and the registries that hold them."""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.catalog.packages import Package, load_entries, package_of
from bench.errors import BenchError, UnknownNameError, nearest, unknown_name

F = TypeVar("F", bound=Callable[..., Any])

type_names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list of texts"}


@dataclass(frozen=True)
class Option:
    """One named option of a registered thing.

    ``default`` fixes the type (bool, int, float or str) unless ``kind`` is given, which may also be list (of texts);
    angles are in radians, and ``unit`` says so. ``minimum``/``maximum`` are inclusive; ``above``/``below`` exclusive.
    ``words``: what a number may be instead, such as "auto". ``named``: any other value than the default makes the thing
    another one of the same name, so a table states it beside the name.
    """

    name: str
    default: bool | int | float | str | None
    doc: str
    unit: str = ""
    source: str = ""
    kind: type | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    named: bool = False

    @property
    def type(self) -> type:
        return self.kind or type(self.default)

    @property
    def allowed(self) -> str:
        """What values are allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        bounds = [
            f"{sign} {value:g}"
            for sign, value in (
                (">=", self.minimum),
                (">", self.above),
                ("<=", self.maximum),
                ("<", self.below),
            )
            if value is not None
        ]
        number = " ".join([type_names[self.type], " and ".join(bounds)]).strip()
        return " or ".join([number, *self.words])

    def check(self, value: Any) -> bool | int | float | str | list[str] | None:
        """The value in this option's type. Raises ValueError saying what was found and what is allowed."""
        wrong = ValueError(f"must be {self.allowed}, found {value!r}")
        if isinstance(value, bool) and str(value).lower() in self.choices:
            return str(value).lower()  # YAML reads `true` as a truth value
        if value is None and self.default is None:
            return None
        if isinstance(value, str) and value in self.words:
            return value
        if self.type is list:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise wrong
            return value
        if self.type is bool or isinstance(value, bool):
            if self.type is bool and isinstance(value, bool):
                return value
            raise wrong
        if self.type is str:
            if not isinstance(value, str) or (self.choices and value not in self.choices):
                near = nearest(str(value), self.choices)
                raise ValueError(f"{wrong}; did you mean {near!r}?" if near else str(wrong))
            return value
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise wrong
        if self.type is int and value != int(value):
            raise wrong
        number = self.type(value)
        inside = (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )
        if not inside:
            raise wrong
        result: int | float = number
        return result


@dataclass(frozen=True)
class Spec:
    """A registered thing: its name, options and facts, and the function that does it.

    The function's module imports nothing heavy at its top, so that reading specs never imports torch.
    ``traits`` are facts that other parts ask for (see each registry's docstring for which). ``module``: where it was
    registered, which is not where a function made by another is from.
    """

    kind: str
    name: str
    summary: str
    source: str
    function: Callable[..., Any]
    options: tuple[Option, ...] = ()
    traits: Mapping[str, Any] = field(default_factory=dict)
    module: str = __name__

    @property
    def package(self) -> Package | None:
        """The installed package that brought it; None for what is this project's own."""
        return package_of(self.module)

    @property
    def defaults(self) -> dict[str, Any]:
        return {option.name: option.default for option in self.options}

    def resolve(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """All options, defaults filled in, and every mistake as (option name, what is wrong).

        The trait ``check(**options)``, where there is one, finds those that no single option shows.
        """
        by_name = {option.name: option for option in self.options}
        resolved, mistakes = self.defaults, []
        for key, value in given.items():
            if key not in by_name:
                mistakes.append((key, unknown_name(f"option of {self.kind} {self.name!r}:", key, by_name)))
                continue
            try:
                resolved[key] = by_name[key].check(value)
            except ValueError as error:
                mistakes.append((key, str(error)))
        if not mistakes and "check" in self.traits:
            mistakes += self.traits["check"](**resolved)
        return resolved, mistakes


class Registry:
    """Names of one kind. Fills itself on first use from its package's modules and from entry points.

    Everything but ``register`` raises BenchError, each time, as long as an installed package's entry point is broken:
    a registry that lacks what is installed would call a right name unknown.
    """

    def __init__(self, kind: str, package: str, doc: str) -> None:
        self.kind, self.package, self.doc = kind, package, doc
        self.entry_point_group = package.replace("bench.", "bench_", 1).replace(".", "_")
        self._specs: dict[str, Spec] = {}
        self._discovered = False
        self._broken: BenchError | None = None

    def register(
        self, name: str, *, summary: str, source: str, options: tuple[Option, ...] = (), **traits: Any
    ) -> Callable[[F], F]:
        """Decorator that registers a function under a name. A name that is taken is refused."""
        module = sys._getframe(1).f_globals["__name__"]

        def keep(function: F) -> F:
            if name in self._specs:
                raise BenchError(f"{self.kind} {name!r} is already registered by {self._specs[name].module}")
            self._specs[name] = Spec(self.kind, name, summary, source, function, options, traits, module)
            return function

        return keep

    def _discover(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        try:
            load_entries(self.entry_point_group)
        except BenchError as error:
            self._broken = error
            raise

    def get(self, name: str) -> Spec:
        """The spec of a name. Raises UnknownNameError with the nearest name and all that are known."""
        self._discover()
        if name not in self._specs:
            raise UnknownNameError(unknown_name(self.kind, name, self._specs))
        return self._specs[name]

    def names(self) -> list[str]:
        self._discover()
        return sorted(self._specs)

    def __iter__(self) -> Iterator[Spec]:
        return iter([self.get(name) for name in self.names()])

    def __contains__(self, name: str) -> bool:
        self._discover()
        return name in self._specs
