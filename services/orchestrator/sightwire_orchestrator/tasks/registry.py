"""Which function carries a type of task out, and what parameters it takes.

A handler is a function, or a coroutine function, of a context and parameters::

    @handler("thumbnail", version="2")
    async def thumbnail(context: TaskContext, parameters: ThumbnailParameters) -> JsonValue: ...

The version says of which program results are, so that none of another is taken from the cache; without one it is that
of the distribution. Parameters that are annotated with a pydantic model are validated before the function is called;
annotated otherwise it gets the mapping as it is. Functions that are no coroutines run in threads.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from sightwire import __version__
from sightwire.contracts.pipelines import TaskType
from sightwire.errors import ConfigurationError
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import InvalidParametersError, UnknownTaskTypeError, problems_in_words
from sightwire_orchestrator.tasks.threads import in_own_thread

ENTRY_POINTS: Final = "sightwire.task_handlers"
_MARK: Final = "__sightwire_task_type__"
_VERSION_MARK: Final = "__sightwire_task_version__"
_TYPE_NAME: Final[TypeAdapter[str]] = TypeAdapter(TaskType)

Function = TypeVar("Function", bound=Callable[..., Any])


def handler(name: str, *, version: str = "") -> Callable[[Function], Function]:
    """Marks a function as the handler of the type `name`; a registry takes it from there."""

    def mark(function: Function) -> Function:
        setattr(function, _MARK, name)
        setattr(function, _VERSION_MARK, version)
        return function

    return mark


@dataclass(frozen=True, slots=True)
class TaskHandler:
    """A function, and what it takes."""

    task_type: str
    function: Callable[..., Any]
    #: Of its parameters; None: any mapping will do.
    parameters: type[BaseModel] | None
    #: Results of another version may be others.
    version: str = ""

    @property
    def description(self) -> str:
        """First paragraph of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n\n")[0]

    def read(self, parameters: Mapping[str, JsonValue]) -> BaseModel | dict[str, JsonValue]:
        """Parameters as the function takes them.

        Raises:
            InvalidParametersError: they do not fit; the message names each.
        """
        if self.parameters is None:
            return dict(parameters)
        try:
            return self.parameters.model_validate(parameters)
        except ValidationError as error:
            raise InvalidParametersError(
                f"parameters of a task of type {self.task_type!r} do not fit: {problems_in_words(error)}"
            ) from None

    async def call(self, context: TaskContext, parameters: Mapping[str, JsonValue]) -> Any:
        """What the function returns.

        Raises:
            InvalidParametersError: the parameters do not fit; the function was not called.
            Exception: whatever the function raises.
        """
        arguments = self.read(parameters)
        if inspect.iscoroutinefunction(self.function):
            return await self.function(context, arguments)
        outcome = await in_own_thread(self.function, context, arguments, name=f"task {context.task}")
        # A callable object whose `__call__` is a coroutine function does not look like one.
        return await outcome if inspect.isawaitable(outcome) else outcome


class HandlerRegistry:
    """Handlers by type.

    Example::

        registry = HandlerRegistry.with_builtin_types()
        registry.add_installed()
    """

    def __init__(self) -> None:
        self._handlers: dict[str, TaskHandler] = {}

    @classmethod
    def with_builtin_types(cls) -> Self:
        """A registry of the platform's own types."""
        from sightwire_orchestrator.tasks.builtin import MODULES

        registry = cls()
        for module in MODULES:
            registry.add_module(module, version=__version__)
        return registry

    @property
    def types(self) -> tuple[str, ...]:
        """All types, sorted."""
        return tuple(sorted(self._handlers))

    def add(self, function: Callable[..., Any], *, task_type: str | None = None, version: str = "") -> None:
        """Registers a function under `task_type`, else under the name that `@handler` gave it.

        Its version is the one that `@handler` gave it, else `version`.

        Raises:
            ConfigurationError: it has no name or a bad one, the name is taken, or it does not take two arguments.
        """
        name = task_type or getattr(function, _MARK, None)
        where = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
        if name is None:
            raise ConfigurationError(f"{where} handles no type; decorate it with @handler('name')")
        try:
            _TYPE_NAME.validate_python(name)
        except ValidationError:
            raise ConfigurationError(
                f"{name!r} ({where}) is no name for a type of task: expected a to z, 0 to 9 and _, a letter first"
            ) from None
        known = self._handlers.get(name)
        if known is not None and known.function is not function:
            raise ConfigurationError(
                f"type {name!r} has two handlers, {known.function.__module__} and {where}; rename one of them"
            )
        version = getattr(function, _VERSION_MARK, "") or version
        self._handlers[name] = TaskHandler(name, function, _parameters_of(function, where), version)

    def add_module(self, module: ModuleType, *, version: str = "") -> None:
        """Registers each function of a module that `@handler` marks; `version` is of those to which it gives none."""
        for member in vars(module).values():
            if callable(member) and hasattr(member, _MARK):
                self.add(member, version=version)

    def add_installed(self) -> None:
        """Registers entry points of the group `sightwire.task_handlers`: functions, by their names, or whole modules.

        Raises:
            ConfigurationError: one cannot be imported, or is no handler.
        """
        for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
            try:
                loaded = entry.load()
            except Exception as error:
                raise ConfigurationError(
                    f"task handler {entry.name!r} ({entry.value}) cannot be imported: {error!r}; "
                    "repair or uninstall the distribution that offers it"
                ) from error
            version = entry.dist.version if entry.dist is not None else ""
            if isinstance(loaded, ModuleType):
                self.add_module(loaded, version=version)
            else:
                self.add(loaded, task_type=getattr(loaded, _MARK, entry.name), version=version)

    def get(self, task_type: str) -> TaskHandler:
        """The handler of a type.

        Raises:
            UnknownTaskTypeError: there is none here.
        """
        try:
            return self._handlers[task_type]
        except KeyError:
            raise UnknownTaskTypeError(
                f"no handler for tasks of type {task_type!r} is installed; there are {_listed(self.types)}"
            ) from None

    def parameter_schema(self, task_type: str) -> dict[str, Any]:
        """JSON Schema of a type's parameters, with references resolved.

        Raises:
            UnknownTaskTypeError: there is no such type.
        """
        parameters = self.get(task_type).parameters
        return {"type": "object"} if parameters is None else parameters.model_json_schema()


def _parameters_of(function: Callable[..., Any], where: str) -> type[BaseModel] | None:
    """The model that the second argument is annotated with."""
    try:
        names = list(inspect.signature(function).parameters)
        inspect.signature(function).bind(None, None)
        # Of a class's instance, the annotations are at its `__call__`.
        hints = typing.get_type_hints(function if inspect.isroutine(function) else type(function).__call__)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigurationError(f"{where} is no handler, a function of a context and parameters: {error}") from None
    annotation = hints.get(names[1]) if len(names) > 1 else None
    return annotation if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
