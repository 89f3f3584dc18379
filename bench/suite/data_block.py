"""The data block of a suite: where training images and protocols come from, and which of them are taken."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, field_validator, model_validator

from bench.suite.base import Block


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
            known = KNOWN_PROTOCOLS.get(value["name"], {})
            if value.get("format", known.get("format")) != known.get("format"):
                # Another format's reader does not have these options.
                known = {key: known[key] for key in ("path",) if key in known}
            return {**known, **value}
        return value


KNOWN_PROTOCOLS: dict[str, dict[str, Any]] = {
    "lfw": {"format": "lfw", "path": "lfw"},
    "ytf": {"format": "ytf", "path": "ytf"},
    "cfp_fp": {"format": "cfp", "path": "cfp", "set": "FP"},
    "cfp_ff": {"format": "cfp", "path": "cfp", "set": "FF"},
    "agedb_30": {"format": "bin", "path": "agedb_30.bin"},
    "calfw": {"format": "bin", "path": "calfw.bin"},
    "cplfw": {"format": "bin", "path": "cplfw.bin"},
    "ijbb": {"format": "ijb", "path": "ijbb", "set": "ijbb"},
    "ijbc": {"format": "ijb", "path": "ijbc", "set": "ijbc"},
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
