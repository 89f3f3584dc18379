"""The classifier that owns the class centres, and the loss it computes: base margin loss plus terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.catalog import GATES, TERMS
from bench.catalog.rules import gate_problem, term_problem
from bench.errors import BenchError
from bench.losses.angles import at_least_float32, safe_angle, slope
from bench.losses.centres import first_centres
from bench.losses.enhancement import EnhancingTerm
from bench.losses.margin import Margin, TargetPart, Values
from bench.losses.product import Product, Reduction, reduce_others
from bench.losses.sampling import StepCentres
from bench.losses.shards import ALONE, Fact, Group, parts_of, rows_within
from bench.losses.term import AddedTerm
from bench.losses.types import GateInput, LogSumExp, LossOutput, MarginInput, Moment, TermInput


class MarginHead(nn.Module):
    """Class centres ``centres`` (C, d), or (C, K, d) with K sub-centres; margin, enhancing term, and other terms.

    ``margin``: {"name", **options}. ``enhancement``: None, or {"strength", "gate": {"name", **options}, "profile":
    {"name", **options}}; strength 0 is None. ``terms``: each {"name", "weight", **options}. ``block``: classes whose
    logits are held at a time, None for all. ``share`` below 1 is Partial FC: in training a step sees the classes of
    its batch and a random share of the others, ``centres`` have no gradient, and the step's are leaves of their own in
    ``partial`` (see ``bench.training.rows.train_rows``); in evaluation all classes count. ``generator`` draws the
    centres; ``stream`` is the margin's, the gate's and the terms' own. Both are CPU generators. ``group``: the
    processes that share the classes, each of which builds its head with the same arguments; ``centres`` and the gate's
    state are then those of its own part (docs/sharding.md).
    Raises BenchError (UnknownNameError) for a name or option that the registries do not know, for a gate that asks for
    a posterior which the margin does not declare, and for processes that have no class or other seeds.
    """

    def __init__(
        self,
        margin: Mapping[str, Any],
        enhancement: Mapping[str, Any] | None,
        classes: int,
        embedding: int,
        *,
        terms: Sequence[Mapping[str, Any]] = (),
        block: int | None = None,
        share: float = 1.0,
        group: Group = ALONE,
        generator: torch.Generator,
        stream: torch.Generator,
    ) -> None:
        super().__init__()
        self._parts = parts_of(classes, group.size)
        self.part, self.group = self._parts[group.rank], group
        seeds = {"seed of the centres": generator.initial_seed(), "seed of the margin": stream.initial_seed()}
        group.agree("the head", {"classes": classes, "embedding": embedding, **seeds})
        self.margin = Margin(margin, classes=classes)
        self.block, self._seed = block, stream.initial_seed()
        # A gate with state draws it for all classes, too, and needs their centres for that.
        whole = enhancement is not None and "start" in GATES.get(enhancement["gate"]["name"]).traits
        kept = range(classes) if whole else self.part
        centres = first_centres(classes, self.margin.centres_a_class, embedding, generator, kept)
        own = centres[self.part.start : self.part.stop].clone() if len(kept) > len(self.part) else centres
        self.centres = nn.Parameter(own, requires_grad=share == 1)
        self.partial = None if share == 1 else StepCentres(own, share)
        self.term: EnhancingTerm | None = None
        if enhancement is not None and enhancement["strength"] > 0:
            if (problem := gate_problem(self.margin.spec, enhancement["gate"]["name"])) is not None:
                raise BenchError(problem)
            first = centres if centres.ndim == 2 else centres[:, 0]
            self.term = EnhancingTerm(
                enhancement, centres=F.normalize(first), stream=stream, part=self.part, group=group
            )
        for added in terms:
            if (problem := term_problem(self.margin.spec, margin, TERMS.get(added["name"]))) is not None:
                raise BenchError(problem)
        self.terms = nn.ModuleList(
            AddedTerm(term, classes=classes, embedding=embedding, stream=stream) for term in terms
        )

    def trainable(self) -> list[nn.Parameter]:
        """What an optimiser trains: with Partial FC the step's centres in place of all."""
        return [value for value in self.parameters() if value.requires_grad]

    def forward(
        self,
        x: Tensor,
        labels: Tensor,
        *,
        step: int | None = None,
        strength: float | None = None,
        max_repeat: int | None = None,
    ) -> LossOutput:
        """The loss of raw embeddings x (B, d), any float dtype, with labels (B,) int64.

        Where processes share the classes x and labels are the process's own samples, as many on each; the loss and its
        parts are those of the whole batch, what is reported per sample is of the own ones, and x gets the gradient of
        the whole batch's loss times the number of processes, for DistributedDataParallel to average.
        Computed in float32, or float64 if x or the centres are, autocast or not. ``step``: training steps done, which
        losses that draw or anneal need. ``strength``: λ at this step, None for the configured one; at 0 the enhancing
        term is not evaluated. ``max_repeat``: at least the largest number of samples of one class in the batch; gates
        with state count it when None, which waits for a GPU, and with several processes in any case. In evaluation mode
        no state is updated. Raises ValueError for shapes that do not fit and for a missing ``step``; BenchError where
        processes differ in the number or dtype of samples, in step, strength or mode; RuntimeError where Partial FC
        would add gradients of two batches that have different rows.
        """
        if x.ndim != 2 or x.shape[1] != self.centres.shape[-1] or labels.shape != x.shape[:1]:
            raise ValueError(
                f"embeddings must be (B, {self.centres.shape[-1]}) and labels (B,), "
                f"found {tuple(x.shape)} and {tuple(labels.shape)}"
            )
        own = slice(self.group.rank * len(x), (self.group.rank + 1) * len(x))
        if self.group.size > 1:
            x, labels = self._whole_batch(x, labels, step, strength)
        moment, dtype = Moment(step, self._seed), at_least_float32(x, self.centres)
        centres, rows = self._seen_classes(labels, moment)
        with torch.autocast(x.device.type, enabled=False):
            found = self._loss(x.to(dtype), centres.to(dtype), rows, labels, moment, strength, max_repeat)
        return found if self.group.size == 1 else found.of_samples(own)

    def _whole_batch(
        self, x: Tensor, labels: Tensor, step: int | None, strength: float | None
    ) -> tuple[Tensor, Tensor]:
        """The samples of all processes, (R·B, d) and (R·B,), in the order of their ranks."""
        size = self.group.size
        facts: dict[str, Fact] = {"samples": len(x), "dtype": str(x.dtype), "step": step, "strength": strength}
        self.group.agree("the batch", {**facts, "training": self.training})
        lengths = [len(x)] * size
        labels = self.group.join(labels, lengths)
        known = ((labels >= 0) & (labels < self._parts[-1].stop)).all()
        torch._assert_async(known, f"labels must lie in 0 to {self._parts[-1].stop - 1}")  # no process would miss one
        return self.group.join(x, lengths, factor=size), labels

    def _seen_classes(self, labels: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        """This process's centres that take part, all or those of the step, and the rows of the labels among them.

        A row is −1 where another process has the class.
        """
        if self.partial is not None and self.training:
            rows = self.partial.take(self.centres, labels, self._parts, self.group.rank, moment.generator("partial fc"))
            return self.partial.taken, rows
        return self.centres, labels if self.group.size == 1 else rows_within(self.part, labels)

    def _joined_classes(self, centres: Tensor, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The same of all processes together."""
        if self.group.size == 1:
            return centres, rows
        if self.partial is not None and self.training:
            return self.group.join(centres, self.partial.lengths), self.partial.place(labels)
        return self.group.join(centres, [len(part) for part in self._parts]), labels

    def _loss(
        self, x: Tensor, centres: Tensor, rows: Tensor, labels: Tensor, moment: Moment, strength: float | None,
        max_repeat: int | None,
    ) -> LossOutput:  # fmt: skip
        margin, unit_x, norm = self.margin, F.normalize(x), x.norm(dim=1)

        def seen(cosine: Tensor, norm: Tensor) -> MarginInput:
            return MarginInput(cosine, norm, labels, margin.state, moment)

        def begin(own: Tensor, log_sum_exp: LogSumExp) -> Reduction:
            cosine, _ = nearest(unit_x.detach(), own)
            batch = seen(cosine, norm.detach())
            if self.training:
                margin.update(batch, log_sum_exp)
            return margin.reduction(safe_angle(cosine), batch)

        left = unit_x if margin.logits == "cosine" else x
        product = Product(rows, margin.logits != "inner", self.block, self.group, begin)
        own, total, hardest = reduce_others(left, centres, product, list(margin.parameters()))
        cosine, own_centre = nearest(unit_x, own)
        theta = safe_angle(cosine)
        batch = seen(cosine.detach(), norm)
        values = margin.values(batch)
        psi = margin.psi(theta, cosine, values)
        part = margin.target(psi, self._factor(norm, own), total)
        base = part.loss.mean()
        if (extra := margin.regulariser(batch)) is not None:
            base = base + extra.mean()
        # In φ, and in the pull, what the margin made of the sample carries no gradient.
        fixed = {name: value.detach() for name, value in values.items()}
        angle = theta.detach()
        pull = part.drive * -slope(lambda at: margin.psi(at, at.cos(), fixed), angle)
        loss, enhanced = base, None
        if self.term is not None and (strength is None or strength > 0):
            gate = self._gate(part, hardest, unit_x, own_centre, angle, labels)
            weight = (self.term.strength if strength is None else strength) * part.prefactor * self.term.gate(gate)
            enhanced = (weight * self.term.profile(theta, margin.psi(theta, cosine, fixed))).mean()
            pull = pull + weight * slope(lambda at: self._phi(at, fixed), angle)
            loss = loss + enhanced
            if self.training:
                self.term.observe(gate, max_repeat)
        added: dict[str, Tensor] = {}
        within, between = (own, torch.arange(len(x), device=x.device)), None
        for term in self.terms:
            assert isinstance(term, AddedTerm)
            if term.between and between is None and term.is_due(moment):  # else it looks at nothing
                between = self._joined_classes(centres, rows, labels)
            those, at = between if term.between and between is not None else within
            value = term(TermInput(x, unit_x, theta, labels, at, those, term.state, moment))
            loss = loss + value
            added[term.name] = value.detach()
        return LossOutput(
            loss, base.detach(), None if enhanced is None else enhanced.detach(), added, angle, part.posterior, pull
        )

    def _factor(self, norm: Tensor, own: Tensor) -> Tensor:
        """The factor s_i between ψ and the target's logit, (B,)."""
        match self.margin.logits:
            case "inner":
                lengths: Tensor = norm * own.norm(dim=1)
                return lengths
            case "norm":
                return norm
            case _:
                return torch.ones_like(norm) * self.margin.scale

    def _phi(self, theta: Tensor, values: Values) -> Tensor:
        assert self.term is not None
        phi: Tensor = self.term.profile(theta, self.margin.psi(theta, theta.cos(), values))
        return phi

    def _gate(
        self, part: TargetPart, hardest: Tensor, unit_x: Tensor, own_centre: Tensor, theta: Tensor, labels: Tensor
    ) -> GateInput:
        assert self.term is not None
        return GateInput(
            posterior=part.posterior,
            target_logit=part.logit,
            hardest_negative=hardest,
            embedding=unit_x.detach(),
            centre=own_centre.detach(),
            theta=theta,
            labels=labels,
            state=self.term.state,
        )


def nearest(unit_x: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines (B,) of unit embeddings (B, d) with their own centres (B, d), and these as unit vectors (B, d).

    Of (B, K, d) centres the nearest counts.
    """
    unit = F.normalize(own, dim=-1)
    if own.ndim == 2:
        return (unit_x * unit).sum(dim=1), unit
    cosines = (unit_x[:, None] * unit).sum(dim=2)
    best, which = cosines.max(dim=1)
    return best, unit[torch.arange(len(unit), device=unit.device), which]
