"""The blocks of a suite, one model each. Unknown keys are refused; every field says what it means and in which unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator


class Block(BaseModel):
    """A part of a suite: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Named(Block):
    """A registered thing by name; its options stand beside the name and are checked against its spec."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @property
    def flat(self) -> dict[str, Any]:
        """``{"name": …, **options}``"""
        return {"name": self.name, **self.options}

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Synthetic(Block):
    """The embedded synthetic faces (``root: synthetic``); test sets always have the official pair counts."""

    pixels: Annotated[int, Field(ge=16, le=512, description="side of the square images, pixels")] = 56
    seed: Annotated[int, Field(ge=0)] = 2107
    train_identities: PositiveInt = 128
    train_images: Annotated[PositiveInt, Field(description="images per training identity")] = 20


OnBadImage = Annotated[
    Literal["refuse", "skip"], Field(description="an image that cannot be decoded: an error, or left out and reported")
]


class Source(Block):
    """A folder or file and the format that reads it; the format's own options stand beside these fields."""

    model_config = ConfigDict(extra="allow", frozen=True)
    format: str
    path: str
    facts: Annotated[
        str | None, Field(description="known data set whose counts must be found, such as lfw; see `bench list facts`")
    ] = None
    allow_partial: Annotated[
        str | None, Field(min_length=1, description="why counts other than the facts' are right; the report prints it")
    ] = None

    @property
    def format_options(self) -> dict[str, Any]:
        """What the format's reader is called with, beside the path."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _facts_to_miss(self) -> Source:
        if self.allow_partial is not None and self.facts is None:
            raise ValueError("allow_partial is only read beside facts")
        return self


class ProtocolSource(Source):
    """A verification test: a name for its columns, the format that reads it, its folder, and the format's options."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", description="column name in tables")]
    on_bad_image: OnBadImage = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _known_by_name(cls, value: Any) -> Any:
        value = {"name": value} if isinstance(value, str) else value
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return {**KNOWN_PROTOCOLS.get(value["name"], {}), **value}
        return value


KNOWN_PROTOCOLS: dict[str, dict[str, Any]] = {
    "lfw": {"format": "lfw", "path": "lfw"},
    "ytf": {"format": "ytf", "path": "ytf"},
    "cfp_fp": {"format": "cfp", "path": "cfp", "set": "FP"},
    "cfp_ff": {"format": "cfp", "path": "cfp", "set": "FF"},
}
"""What a protocol's name alone stands for."""

People = Annotated[
    list[str] | str | None,
    Field(description="people by the source's own names: a list, or a text file below the root with a name a line"),
]


class ImageSource(Source):
    """Training images: a source, and which of its people are taken."""

    format: str = "folder"
    path: str = "train"
    min_images: Annotated[PositiveInt, Field(description="people with fewer images are left out")] = 1
    include_identities: People = None
    exclude_identities: People = None


class Subsample(Block):
    """A part of the training set, drawn by its own seed."""

    identities: Annotated[PositiveInt | None, Field(description="people; null: all")] = None
    images: Annotated[PositiveInt | None, Field(description="at most so many images of each; null: all")] = None
    seed: Annotated[int, Field(ge=0)] = 0


class TrainSource(ImageSource):
    """Where training images come from: one source, or a union of several; and which people are left out."""

    union: Annotated[list[ImageSource], Field(description="several sources, in place of format and path")] = []
    people: Annotated[
        Literal["different", "by_name"] | None,
        Field(description="people of a union: all different, or the same where the letters of their names are"),
    ] = None
    exclude_identities_of: Annotated[
        list[ProtocolSource],
        Field(
            description="leave out the people of these protocols or training sources (matched by letters of the name)"
        ),
    ] = []
    subsample: Subsample = Subsample()
    on_bad_image: OnBadImage = "refuse"

    @property
    def sources(self) -> list[ImageSource]:
        return self.union or [self]

    @model_validator(mode="after")
    def _one_or_several(self) -> TrainSource:
        own = {*ImageSource.model_fields, *(self.model_extra or {})}
        given = sorted(own & self.model_fields_set) if self.union else []
        if given:
            raise ValueError(f"with a union, {', '.join(given)} belong to its sources, not beside it")
        if bool(self.union) != (self.people is not None):
            raise ValueError(
                "people says how the people of a union are told apart: give both or neither (different, by_name)"
            )
        return self


class Validation(Block):
    """Identities taken out of the training set, on which checkpoints and hyper-parameters may be chosen."""

    identities: Annotated[float, Field(ge=0, lt=1, description="share of the training identities")] = 0.0
    pairs: Annotated[PositiveInt, Field(description="genuine pairs, and as many impostor pairs")] = 1000
    seed: Annotated[int, Field(ge=0)] = 0


class Data(Block):
    """Training set, validation identities and protocols, below one root."""

    root: Annotated[
        str | None,
        Field(description="`synthetic`, or a folder; not given: the environment variable BENCH_DATA_ROOT"),
    ] = None
    synthetic: Synthetic = Synthetic()
    pixels: Annotated[int, Field(ge=16, le=512, description="side that every image is resized to, pixels")] = 112
    train: TrainSource = TrainSource()
    validation: Validation = Validation()
    protocols: Annotated[list[ProtocolSource], Field(validate_default=True)] = []
    allow_overlap: Annotated[
        str | None,
        Field(min_length=1, description="why training people or images may be in a protocol too; the report prints it"),
    ] = None

    @field_validator("protocols")
    @classmethod
    def _names_differ(cls, value: list[ProtocolSource]) -> list[ProtocolSource]:
        names = [p.name for p in value]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two protocols are called {', '.join(twice)}")
        return value


class Enhancement(Block):
    """The gradient-enhancing term: where (gate), how (profile) and how much (strength λ)."""

    strength: Annotated[float, Field(ge=0, description="λ; 0 is the base loss")] = 0.0
    gate: Named = Named(name="posterior")
    profile: Named = Named(name="matched")


class SGD(Block):
    name: Literal["sgd"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4


class AdamW(Block):
    name: Literal["adamw"]
    lr: Annotated[float, Field(gt=0)] = 1e-3
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: Annotated[float, Field(ge=0)] = 0.05


class Cosine(Block):
    name: Literal["cosine"] = "cosine"
    final: Annotated[float, Field(ge=0, le=1, description="last learning rate as a share of the first")] = 0.0


class Polynomial(Block):
    name: Literal["polynomial"]
    power: Annotated[float, Field(gt=0)] = 2.0


class Step(Block):
    name: Literal["step"]
    epochs: Annotated[list[PositiveInt], Field(min_length=1, description="epochs after which the rate drops")]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1


class Constant(Block):
    name: Literal["constant"]


class Recipe(Block):
    """How a network is trained. Everything here changes the bits and is part of the run id."""

    optimiser: Annotated[SGD | AdamW, Field(discriminator="name")] = SGD()
    schedule: Annotated[Cosine | Polynomial | Step | Constant, Field(discriminator="name")] = Cosine()
    warmup_epochs: Annotated[float, Field(ge=0, description="linear warm-up, epochs")] = 0.0
    epochs: PositiveInt = 20
    batch: Annotated[int, Field(ge=2, description="images a step; the last, smaller batch of an epoch is dropped")] = (
        128
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    augmentation: list[Named] = [Named(name="flip")]
    clip_gradient: Annotated[float | None, Field(gt=0, description="largest gradient norm; null: none")] = 5.0
    threads: Annotated[PositiveInt, Field(description="CPU threads of a run; they change the bits")] = 1
    deterministic: bool = True
    select: Literal["last", "validation"] = "last"


def far_text(value: object) -> str:
    """A false accept rate as exact decimal text in one spelling: 0.001, '1e-3' and '1.0e-3' are all ``1e-3``."""
    number = Decimal(str(value))
    if not 0 < number < 1:
        raise ValueError(f"a false accept rate lies between 0 and 1, found {value!r}")
    _, digits, exponent = number.normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    power = int(exponent) + len(mantissa) - 1
    return f"{mantissa[0]}{'.' + mantissa[1:] if mantissa[1:] else ''}e{power}"


class Evaluation(Block):
    """How embeddings are compared. Changing it evaluates finished runs again and trains nothing."""

    flip: Annotated[bool, Field(description="add the embedding of the mirrored image, then normalise")] = True
    far: Annotated[list[str], Field(min_length=1, description="false accept rates of TAR@FAR, exact decimals")] = [
        "1e-2",
        "1e-3",
    ]
    train_geometry: Annotated[bool, Field(description="also measure the geometry on training identities")] = True

    @field_validator("far", mode="before")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        try:
            texts = [far_text(v) for v in value]
        except (ArithmeticError, TypeError):
            raise ValueError(f"must be decimals such as 1e-3, found {value!r}") from None
        return sorted(set(texts), key=lambda t: -Decimal(t))


class ReportBlock(Block):
    """What the tables show."""

    caption: str = ""
    metrics: Annotated[list[str], Field(min_length=1, description="metrics of a protocol that get a column")] = [
        "accuracy",
        "tar_at_far_1e-3",
    ]
    digits: Annotated[int, Field(ge=0, le=4, description="decimals of percentages")] = 2


class ExecutorBlock(Block):
    """Where runs go. Changes no bits and is in no id."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    slots: Annotated[int | None, Field(ge=1, description="runs at a time; null: a run a core, or 1/share per GPU")] = (
        None
    )
    share: Annotated[float, Field(gt=0, le=1, description="share of a GPU that a run occupies")] = 1.0
    retries: Annotated[int, Field(ge=0, le=10, description="tries again when a worker process dies")] = 1


class SearchBlock(Block):
    """A search over the enhancement strength, scored on validation identities only."""

    trials: PositiveInt = 20
    low: Annotated[float, Field(gt=0)] = 1e-4
    high: Annotated[float, Field(gt=0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0
    pruner_warmup_epochs: Annotated[int, Field(ge=0, description="epochs before a trial may be pruned")] = 3
    retrain_seeds: Annotated[list[int], Field(min_length=3, description="fresh seeds of the final comparison")] = [
        101,
        102,
        103,
    ]

    @model_validator(mode="after")
    def _ordered(self) -> SearchBlock:
        if not self.low < self.high:
            raise ValueError(f"low < high must hold, found low={self.low}, high={self.high}")
        return self


class Cell(Block):
    """One point of the grid without its seed: what is trained, and on what it is tested."""

    data: Data
    backbone: Named
    margin: Named
    enhancement: Enhancement | None = None
    recipe: Recipe = Recipe()
    evaluation: Evaluation = Evaluation()
