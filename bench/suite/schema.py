"""The blocks of a suite, one model each. Unknown keys are refused; every field says what it means and in which unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, RootModel, field_validator

from bench.catalog.metrics import METRICS
from bench.suite.base import Block, Named
from bench.suite.data_block import Data


class ConstantStrength(Block):
    name: Literal["constant"] = "constant"


class LinearStrength(Block):
    name: Literal["linear"]
    epochs: Annotated[float, Field(gt=0, description="epochs in which the strength rises from 0 to λ")] = 1.0


class CosineStrength(Block):
    name: Literal["cosine"]
    first: Annotated[float, Field(ge=0, description="share of λ at the first step")] = 0.0
    last: Annotated[float, Field(ge=0, description="share of λ at the last step")] = 1.0


class LateStrength(Block):
    name: Literal["after_epoch"]
    epoch: Annotated[PositiveInt, Field(description="epochs without the term, before it acts with λ")]


StrengthSchedule = ConstantStrength | LinearStrength | CosineStrength | LateStrength


class Enhancement(Block):
    """The gradient-enhancing term: where (gate), how (profile), how much (strength λ) and when (schedule)."""

    strength: Annotated[float, Field(ge=0, description="λ; 0 is the base loss")] = 0.0
    gate: Named = Named(name="posterior")
    profile: Named = Named(name="matched")
    schedule: Annotated[StrengthSchedule, Field(discriminator="name")] = ConstantStrength()


class Term(Named):
    """A term that is added to the loss, by name, with its weight; its options stand beside them."""

    weight: Annotated[float | None, Field(gt=0, description="null: the term's usual weight")] = None

    @property
    def flat(self) -> dict[str, Any]:
        return {**super().flat, "weight": self.weight}


class Terms(RootModel[list[Term]]):
    """Terms that are added to the loss, between classes or within them."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _each_once(cls, value: list[Term]) -> list[Term]:
        names = [term.name for term in value]
        if repeated := [name for i, name in enumerate(names) if name in names[:i]]:
            raise ValueError(f"term {repeated[0]!r} is given twice")
        return value


class Classifier(Block):
    """How the class centres are used. Changing it changes the bits."""

    share: Annotated[
        float, Field(gt=0, le=1, description="share of the classes in each step's softmax (Partial FC); 1: all")
    ] = 1.0
    block: Annotated[
        PositiveInt | None, Field(description="classes whose logits are in memory at a time; null: all")
    ] = None


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
    micro_batch: Annotated[
        int | None,
        Field(
            ge=2,
            description="images whose activations are in memory at a time, and by which BatchNorm normalises; it "
            "divides batch; the loss and its gradient are still those of the batch; null: the whole batch",
        ),
    ] = None
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        Field(description="in which the backbone computes; weights, embeddings and loss are float32 in all of them"),
    ] = "float32"
    augmentation: list[Named] = [Named(name="flip")]
    clip_gradient: Annotated[float | None, Field(gt=0, description="largest gradient norm; null: none")] = 5.0
    threads: Annotated[PositiveInt, Field(description="CPU threads of a run; they change the bits")] = 1
    deterministic: bool = True
    select: Literal["last", "validation"] = "last"
    ema: Annotated[
        float | None,
        Field(gt=0, lt=1, description="decay a step of the moving average of the weights, which is kept; null: none"),
    ] = None
    bn: Annotated[
        Literal["sync", "per_replica"],
        Field(description="batch normalisation of a run of several processes: over the whole batch, or each its own"),
    ] = "sync"


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
    all_pairs_far: Annotated[
        list[str], Field(description="false accept rates over every pair of templates, exact decimals; []: none")
    ] = ["1e-3", "1e-4"]
    ranks: Annotated[list[PositiveInt], Field(description="ranks of closed-set identification; []: none")] = [1]
    fpir: Annotated[
        list[str], Field(description="false positive rates of open-set identification, exact decimals; []: none")
    ] = ["1e-2"]
    bootstrap: Annotated[
        int, Field(ge=0, le=100_000, description="replicates of the identity bootstrap of each interval; 0: none")
    ] = 1000
    train_geometry: Annotated[bool, Field(description="also measure the geometry on training identities")] = True

    @field_validator("far", "all_pairs_far", "fpir", mode="before")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        try:
            texts = [far_text(v) for v in value]
        except (ArithmeticError, TypeError):
            raise ValueError(f"must be decimals such as 1e-3, found {value!r}") from None
        return sorted(set(texts), key=lambda t: -Decimal(t))

    @field_validator("ranks")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        return sorted(set(value))

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics that a protocol may get."""
        return [
            *METRICS,
            *(f"tar_at_far_{far}" for far in self.far),
            *(f"all_pairs_tar_at_far_{far}" for far in self.all_pairs_far),
            *(f"rank_{k}" for k in self.ranks),
            *(f"tpir_at_fpir_{rate}" for rate in self.fpir),
        ]


Kind = Literal["original", "official_repo", "quoted", "reimplementation"]
"""Where a published number stands: in the paper that introduced the loss, in its authors' repository, repeated in a
later paper, or measured there by others."""


class PublishedBlock(Block):
    """The published results of the suite's losses that stand beside its own, as printed and not measured here."""

    show: bool = True
    kinds: Annotated[list[Kind], Field(description="where the numbers stand")] = ["original", "official_repo"]
    train_sets: Annotated[list[str], Field(description="training sets, as the sources call them; []: all")] = []


class ReportBlock(Block):
    """What the tables show, and how."""

    caption: str = ""
    metrics: Annotated[list[str], Field(min_length=1, description="metrics of a protocol that get a column")] = [
        "accuracy",
        "tar_at_far_1e-3",
    ]
    toy: Annotated[bool, Field(description="train toy networks of 2 and 3 dimensions with these losses, to show")] = (
        False
    )
    digits: Annotated[int, Field(ge=0, le=4, description="decimals of every number")] = 2
    precision: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=6)]], Field(description="decimals of a metric that has others")
    ] = {}
    spread: Annotated[
        Literal["interval", "sd"], Field(description="after ±: half the interval of the mean over seeds, or the sd")
    ] = "interval"
    level: Annotated[float, Field(gt=0, lt=1, description="of intervals; 1 − level is that of the tests")] = 0.95
    columns: Annotated[list[str], Field(description="protocols shown, in this order; []: all")] = []
    headings: Annotated[dict[str, str], Field(description="how a protocol or an axis is called in tables")] = {}
    order: Annotated[
        list[str],
        Field(description="what rows are sorted by: an axis (its values as listed), or a column such as lfw.accuracy"),
    ] = []
    group_by: Annotated[str | None, Field(description="axis whose values become headings over rows")] = None
    published: PublishedBlock = PublishedBlock()


class ExecutorBlock(Named):
    """Where runs go, by name; the executor's own options stand beside these. In no id, but that of a run with
    ``recipe.bn: per_replica`` holds ``processes``.
    """

    name: str = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    priority: Annotated[int, Field(description="of several suites that run together, those with more go first")] = 0
    processes: Annotated[
        PositiveInt, Field(description="processes of one run, each with a device of its own; they share its batch")
    ] = 1
    retries: Annotated[int, Field(ge=0, le=10, description="tries again when a worker process dies or hangs")] = 1
    hang_seconds: Annotated[
        float | None, Field(gt=0, description="a worker that says nothing for so long is killed; null: never")
    ] = 1800.0


class Cell(Block):
    """One point of the grid without its seed: what is trained, and on what it is tested."""

    data: Data
    backbone: Named
    margin: Named
    enhancement: Enhancement | None = None
    terms: Terms = Terms([])
    classifier: Classifier = Classifier()
    recipe: Recipe = Recipe()
    evaluation: Evaluation = Evaluation()
