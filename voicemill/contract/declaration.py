"""What a stage declares, read from its function's signature and docstring, once, for every form that needs it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from dataclasses import field as defaulted
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Lt


@dataclass(frozen=True)
class Kind:
    """What a path parameter of a stage is."""

    role: Literal["input", "output", "state"]
    is_folder: bool


@dataclass(frozen=True)
class Place:
    """Marks a string that names a place: a path or an s3:// address.

    Attributes:
        kind: What must be there.
        is_written: Whether it is written to; otherwise it is read, and its content counts, not its name.
        otherwise: What a value is that names no place: a text, or a voice in a registry.
        is_list: Whether it may name several, separated by commas.
        defaults: File in the folder with defaults of the stage's options, in the form of a config (`--config`).
    """

    kind: Literal["any", "file", "folder"] = "any"
    is_written: bool = False
    otherwise: Literal["", "text", "voice"] = ""
    is_list: bool = False
    defaults: str = ""


@dataclass(frozen=True)
class Checked:
    """Marks a string with a form of its own: `check` raises a VoicemillError that says what is wrong with it, and gives
    the form in which the stage gets it.
    """

    check: Callable[[str], str]


InputDir = Annotated[Path, Kind("input", is_folder=True)]
InputFile = Annotated[Path, Kind("input", is_folder=False)]
OutputDir = Annotated[Path, Kind("output", is_folder=True)]
OutputFile = Annotated[Path, Kind("output", is_folder=False)]
StateDir = Annotated[Path, Kind("state", is_folder=True)]
Location = Annotated[str, Place()]
FileLocation = Annotated[str, Place("file")]
FolderLocation = Annotated[str, Place("folder")]
BaseWeights = Annotated[str, Place("folder", defaults="defaults.yaml")]
"""A models folder, whose defaults.yaml says how its weights are best trained and spoken with."""
TextOrFile = Annotated[str, Place("file", otherwise="text")]
VoiceLocation = Annotated[str, Place("folder", otherwise="voice")]
VoiceLocations = Annotated[str, Place("folder", otherwise="voice", is_list=True)]
Destination = Annotated[str, Place(is_written=True)]
Seed = Annotated[int, Ge(0), Lt(2**32)]
"""numpy takes no other seeds."""

BOUNDS = ("gt", "ge", "lt", "le")
REQUIRED: Any = inspect.Parameter.empty


T = TypeVar("T")


@dataclass(frozen=True)
class Overrides(Generic[T]):
    """Of a recipe, the fields that were given; the others are as in a recipe that shows only when the stage runs."""

    given: Mapping[str, Any] = defaulted(default_factory=dict[str, Any])

    def over(self, base: T) -> T:
        """Return the recipe `base` with the fields that were given."""
        return replace(base, **self.given)  # pyright: ignore[reportArgumentType, reportUnknownVariableType, reportReturnType, reportCallIssue]


@dataclass(frozen=True)
class ArtifactField:
    """A folder or file that goes in or out."""

    field: str
    kind: Kind
    optional: bool
    help: str

    @property
    def name(self) -> str:
        return kebab(self.field)

    @property
    def sent_field(self) -> str:
        """Of a state: the option for the note that it was kept in S3."""
        return f"{self.field}_sent"


@dataclass(frozen=True)
class ParameterField:
    """A value: `type` is str, int, float or bool, `choices` the values of a Literal, `bounds` from gt, ge, lt, le."""

    field: str
    type: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    place: Place | None = None
    check: Callable[[str], str] | None = None
    optional: bool = False
    bounds: dict[str, float] = defaulted(default_factory=dict[str, float])

    @property
    def is_location(self) -> bool:
        return self.place is not None and not self.place.is_written

    @property
    def is_destination(self) -> bool:
        return self.place is not None and self.place.is_written

    @property
    def name(self) -> str:
        return kebab(self.field)

    @property
    def may_be_empty(self) -> bool:
        """Whether it may be left out, which an empty text does too: it is then as a config says, or the default."""
        return self.default is not REQUIRED

    def text(self) -> str:
        """Return the default as the text that a command line and Argo carry."""
        if self.default is None:
            return ""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)


@dataclass(frozen=True)
class RecipeField:
    """An argument of a stage that is one dataclass, each of whose fields is a parameter of the stage.

    Attributes:
        field: The argument.
        type: A keyword-only dataclass; its fields are typed as parameters are, each with a docstring.
        fields: Names of its fields.
        is_partial: Whether the stage takes `Overrides` of it.
    """

    field: str
    type: type[Any]
    fields: tuple[str, ...]
    is_partial: bool = False

    def gather(self, values: dict[str, Any]) -> None:
        """Replace the values of its fields, in a stage's values by argument, with the dataclass that they make."""
        if self.field not in values:
            given = [name for name in self.fields if name in values]
            options = {name: values.pop(name) for name in given}
            if self.is_partial:
                values[self.field] = Overrides({name: value for name, value in options.items() if value is not None})
            else:
                values[self.field] = self.type(**options)


@dataclass(frozen=True)
class Declaration:
    """A stage's name, documentation, artifacts and parameters, and which of these are fields of recipes."""

    name: str
    module: str
    summary: str
    documentation: str
    artifacts: tuple[ArtifactField, ...]
    parameters: tuple[ParameterField, ...]
    recipes: tuple[RecipeField, ...] = ()
    takes_config: bool = False
    """Whether the function has an argument for the whole config, besides what its own section sets."""

    def of_role(self, role: str) -> tuple[ArtifactField, ...]:
        return tuple(artifact for artifact in self.artifacts if artifact.kind.role == role)


CONFIG = ParameterField(
    "config",
    str,
    "",
    "Options of stages as YAML, a section a stage (`train-sovits: {ema-steps: 100}`): a file, an s3:// address or the"
    " text itself. An option that is given by itself goes before it.",
    place=Place("file", otherwise="text"),
)
"""The option that every stage has beside those that it declares; see `voicemill.contract.config`."""


def kebab(name: str) -> str:
    """`max_seconds` as it is written on a command line and in Argo: `max-seconds`."""
    return name.replace("_", "-")


def declare(function: Callable[..., Any], module: str) -> Declaration:
    """Read a stage's declaration from its function.

    Args:
        function: Typed with `InputDir` and its kin for artifacts and str, int, float, bool, Literal or `Location`,
            keyword-only, for parameters. The `Args:` section of its docstring documents each. A keyword-only dataclass
            (a recipe) declares a parameter with each of its fields; their docstrings document them.
        module: Name of the module it is declared in; the last part names the stage.

    Raises:
        TypeError: naming the argument whose type a stage cannot have.
    """
    hints = get_type_hints(function, include_extras=True)
    text, helps = read_docstring(inspect.getdoc(function) or "")
    artifacts: list[ArtifactField] = []
    parameters: list[ParameterField] = []
    recipes: list[RecipeField] = []
    for name, parameter in inspect.signature(function).parameters.items():
        hint, optional = _without_none(hints[name])
        base, marks = _unannotate(hint)
        help_text = helps.pop(name, "")
        kind = next((mark for mark in marks if isinstance(mark, Kind)), None)
        if kind:
            artifacts.append(ArtifactField(name, kind, optional, help_text))
        elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{module}: {name} is neither an artifact nor keyword-only")
        elif get_origin(base) is Overrides or (isinstance(base, type) and is_dataclass(base)):
            is_partial = get_origin(base) is Overrides
            recipe = get_args(base)[0] if is_partial else base
            recipes.append(RecipeField(name, recipe, tuple(field.name for field in fields(recipe)), is_partial))
            declared = _recipe_parameters(recipe, module)
            parameters += [_overriding(each, help_text) for each in declared] if is_partial else declared
        else:
            parameters.append(_parameter(name, hints[name], parameter.default, help_text, module))
    takes_config = any(parameter.name == CONFIG.name for parameter in parameters)
    if not takes_config:
        parameters.append(CONFIG)
    names = [parameter.field for parameter in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{module}: declared twice: {', '.join(twice)}")
    if helps:
        raise TypeError(f"{module}: the docstring documents arguments that do not exist: {', '.join(helps)}")
    name = kebab(module.rpartition(".")[2])
    return Declaration(
        name,
        module,
        text.partition("\n")[0],
        text,
        tuple(artifacts),
        tuple(parameters),
        tuple(recipes),
        takes_config,
    )


def _parameter(name: str, hint: Any, default: Any, help_text: str, module: str) -> ParameterField:
    plain, optional = _without_none(hint)
    base, marks = _unannotate(plain)
    choices = tuple(map(str, get_args(base))) if get_origin(base) is Literal else ()
    value_type = str if choices else base
    if value_type not in (str, int, float, bool):
        raise TypeError(f"{module}: {name} has a type that a stage parameter cannot have: {plain}")
    limits = ((key, getattr(mark, key, None)) for mark in marks for key in BOUNDS)
    return ParameterField(
        name,
        value_type,
        default,
        help_text,
        choices,
        place=next((mark for mark in marks if isinstance(mark, Place)), None),
        check=next((mark.check for mark in marks if isinstance(mark, Checked)), None),
        optional=optional,
        bounds={key: limit for key, limit in limits if limit is not None},
    )


def _recipe_parameters(recipe: type[Any], module: str) -> list[ParameterField]:
    """Return the fields of a recipe, with their docstrings as help."""
    hints, helps = get_type_hints(recipe, include_extras=True), _attribute_docstrings(recipe)
    declared: list[ParameterField] = []
    for field in fields(recipe):
        if field.name not in helps:
            raise TypeError(f"{module}: {recipe.__name__}.{field.name} has no docstring")
        if field.default_factory is not MISSING:
            raise TypeError(f"{module}: {recipe.__name__}.{field.name} must have a plain default")
        default = REQUIRED if field.default is MISSING else field.default
        declared.append(_parameter(field.name, hints[field.name], default, helps[field.name], module))
    return declared


def _overriding(field: ParameterField, otherwise: str) -> ParameterField:
    """Return a recipe's field that may be left to another recipe; `otherwise` says to which."""
    return replace(field, default=None, optional=True, help=f"{field.help} {otherwise}".strip())


def _attribute_docstrings(owner: type[Any]) -> dict[str, str]:
    """Return the texts that stand below the fields of a class and of those that it inherits from."""
    helps: dict[str, str] = {}
    for each in reversed(owner.__mro__):
        if not is_dataclass(each):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(definition, ast.ClassDef)
        for statement, below in pairwise(definition.body):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                helps[statement.target.id] = " ".join(below.value.value.split())
    return helps


def read_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Part a Google docstring into its prose and the entries of its `Args:` section."""
    sections = re.split(r"^(Args|Returns|Raises|Yields|Attributes):\n", docstring, flags=re.MULTILINE)
    prose, rest = sections[0].strip(), dict(zip(sections[1::2], sections[2::2], strict=True))
    helps: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\w)", "\n" + rest.get("Args", "").rstrip()):
        name, colon, text = entry.strip().partition(":")
        if colon:
            helps[name] = " ".join(text.split())
    return prose, helps


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        if len(members) == 1 and len(members) < len(get_args(hint)):
            return members[0], True
    return hint, False


def _unannotate(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
