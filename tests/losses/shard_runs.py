"""What several processes and one process alone both run, and the start of real processes that do it.

Each case trains a head for three steps. ``run`` is the same code for a process of a group and for one alone; what they
return is compared by ``test_shards.py``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from loss_heads import admits, enhancement, generator, margin
from torch import distributed as dist
from torch import multiprocessing

from bench.catalog import MARGINS, TERMS, Option
from bench.errors import BenchError
from bench.losses.head import MarginHead
from bench.losses.resharding import part_of_state
from bench.losses.shards import ALONE, Shards

CLASSES, EMBEDDING, BATCH, STEPS, RATE = 7, 5, 12, 3, 0.3
LIMIT = 300  # seconds until processes that have not ended are ended
SCALED = {"s": 6.0}  # small, so that every class is felt


@dataclass(frozen=True)
class Case:
    name: str
    margin: dict
    enhancement: dict | None = None
    terms: tuple = ()
    block: int | None = None
    labels: tuple | None = None
    share: float = 1.0
    classes: int = CLASSES


def learned():
    return {"bias": torch.tensor(0.25)}


def start(*, classes):
    return {"seen": torch.zeros(classes), "temperature": torch.ones(())}


def update(batch, *, log_sum_exp):
    batch.state["seen"].index_add_(0, batch.labels, torch.ones_like(batch.cosine))
    batch.state["temperature"].lerp_(log_sum_exp(2.0).mean(), 0.5)


def spread(batch):
    return (batch.centres - batch.centres.mean(dim=0)).square().sum() + batch.centres[batch.rows].sum()


def towards_means(batch):
    own = batch.centres[batch.rows].reshape(len(batch.rows), -1, batch.embedding.shape[1]).mean(dim=1)
    return (batch.embedding - own - batch.state["means"][batch.labels]).square().mean()


def means_follow(batch):
    batch.state["means"].index_add_(0, batch.labels, 0.1 * batch.embedding.detach())


@contextlib.contextmanager
def registered():
    """A margin and terms that use what no registered one may: gone afterwards, so that no other test meets them."""
    before = {registry: dict(registry._specs) for registry in (MARGINS, TERMS) if registry.names() is not None}
    MARGINS.register(
        "test_cost", summary="", source="", angular=False, logits="cosine", draws=True, learned=learned, start=start,
        update=update, cost=lambda logits, state: torch.nn.functional.softplus(3 * logits + state["bias"]),
        positive=lambda psi, state: torch.nn.functional.softplus(-3 * psi * state["temperature"] - state["bias"]),
        prefactor=lambda: 2.0,
        values=lambda batch: {"m": torch.rand(len(batch.norm), generator=batch.moment.generator("m"))},
        regulariser=lambda batch: batch.norm.square() / 10,
    )(lambda theta, *, m: theta.cos() - m)  # fmt: skip
    MARGINS.register(
        "test_sub", summary="", source="", angular=False, logits="cosine", subcentres="k",
        options=(Option("k", 3, ""), Option("s", 6.0, "")),
    )(lambda theta: theta.cos() - 0.2)  # fmt: skip
    TERMS.register("test_between", summary="", source="", place="between", weight=1.0)(spread)
    TERMS.register("test_every", summary="", source="", place="between", weight=1.0, options=(Option("every", 2, ""),))(
        spread
    )
    TERMS.register(
        "test_within", summary="", source="", place="within", weight=1.0, update=means_follow,
        start=lambda classes, embedding, generator: {"means": torch.randn(classes, embedding, generator=generator)},
    )(towards_means)  # fmt: skip
    try:
        yield
    finally:
        for registry, specs in before.items():
            registry._specs.clear()
            registry._specs.update(specs)


def cases():
    """Every registered margin and term, and what is made up here."""
    found = []
    for spec in MARGINS:
        if spec.name.startswith("test_"):
            continue
        block = margin(spec.name, **{name: value for name, value in SCALED.items() if name in spec.defaults})
        gates = ["posterior", "spectral"] if admits(block, "posterior") else ["uniform"]
        found.append(Case(spec.name, block))
        found += [Case(f"{spec.name}, {gate}", block, enhancement(0.7, gate), block=2) for gate in gates]
    plain = margin("cosface", **SCALED)
    found += [Case(f"term {spec.name}", plain, terms=({"name": spec.name, "weight": 0.5},)) for spec in TERMS]
    return [*found, *few()]


def few():
    """What is made up here: these are for three processes as well."""
    plain, spectral = margin("arcface", margin_gradient="straight_through", **SCALED), enhancement(0.7, "spectral")
    between, every, within = ({"name": f"test_{name}", "weight": 0.5} for name in ("between", "every", "within"))
    sub = {"name": "test_sub", "k": 3, **SCALED}
    return [
        Case("test margin with a cost", {"name": "test_cost"}),
        Case("test margin with a cost, block", {"name": "test_cost"}, enhancement(0.7, "uniform"), block=2),
        Case("test margin with sub-centres", sub),
        Case("test margin with sub-centres, block", sub, spectral, (within,), block=2),
        Case("test terms", plain, enhancement(0.7, "satisfied"), (between, every, within)),
        Case("test term now and then", plain, terms=(every,)),
        Case("sampled classes", plain, spectral, share=0.3, classes=50),
        Case("sampled classes, terms", sub, None, (within,), block=4, share=0.4, classes=40),
        Case("sampled classes, between", plain, enhancement(0.7), (between, every), share=0.4, classes=40),
        Case("all classes on the first process", plain, spectral, labels=(0, 1) * 6),
        Case("all classes on the last process", plain, spectral, labels=(6,) * 12),
    ]


def make(case, group, classes=None):
    head = MarginHead(
        case.margin, case.enhancement, classes or case.classes, EMBEDDING, terms=case.terms, block=case.block,
        share=case.share, group=group,
        generator=generator(3), stream=generator(4),
    ).double()  # fmt: skip
    if head.term is not None and "share" in head.term.state:
        head.term.state["share"].fill_(0.6)  # so that the gate is open at once
    return head


def batch(case, step):
    x = 2 * torch.randn(BATCH, EMBEDDING, generator=generator(50 + step), dtype=torch.float64)
    labels = torch.randint(0, case.classes, (BATCH,), generator=generator(90 + step))
    return x, labels if case.labels is None else torch.tensor(case.labels)


def train(head, case, steps):
    """A few steps of plain SGD on centres and learned values; everything that was seen on the way, by name."""
    found, group = {}, head.group
    own = slice(group.rank * BATCH // group.size, (group.rank + 1) * BATCH // group.size)
    for step in steps:
        x, labels = batch(case, step)
        x = x[own].clone().requires_grad_()
        strength = None if case.enhancement is None else 0.7 - 0.1 * step
        most = int(labels[own].bincount().max())  # of one process alone, so that too few do no harm
        out = head(x, labels[own], step=step, strength=strength, max_repeat=most)
        out.loss.backward()
        kept = {"loss": out.loss.detach(), "base": out.base, "term": out.term, "x.grad": x.grad}
        kept |= {"target_angle": out.target_angle, "posterior": out.posterior, "pull": out.pull}
        kept |= {f"added {name}": value for name, value in out.terms.items()}
        with torch.no_grad():
            for name, value in head.named_parameters():
                if value.grad is None:
                    continue  # all centres, where a step trains some of them
                if head.partial is not None and value is head.partial.active:
                    count = len(head.partial.rows)
                    kept[f"{name}.grad"] = value.grad[:count].clone()
                    head.centres[head.partial.rows] -= RATE * value.grad[:count]
                    value.grad = None
                    continue
                kept[f"{name}.grad"] = value.grad.clone()
                value -= RATE * value.grad
                value.grad = None
        found |= {f"{step}: {name}": value for name, value in kept.items() if value is not None}
    return found | {f"state: {name}": value.detach().clone() for name, value in head.state_dict().items()}


def run(case, group):
    first = make(case, group)
    return {"first centres": first.centres.detach().clone()} | train(first, case, range(STEPS))


def resumed(case, group):
    """Three steps by one process alone, then three by the group, from that state."""
    alone = make(case, ALONE)
    train(alone, case, range(STEPS))
    head = make(case, group)
    head.load_state_dict(part_of_state(alone.state_dict(), group.rank, group.size))
    return train(head, case, range(STEPS, 2 * STEPS))


def data_parallel(case, group):
    """The gradient of a network before the head, as DistributedDataParallel leaves it."""
    network = torch.nn.Linear(EMBEDDING, EMBEDDING).double()
    with torch.no_grad():
        network.weight.copy_(torch.randn(EMBEDDING, EMBEDDING, generator=generator(8)))
        network.bias.zero_()
    wrapped = (
        network
        if group.size == 1
        else torch.nn.parallel.DistributedDataParallel(network, process_group=group.processes)
    )
    head = make(case, group)
    x, labels = batch(case, 0)
    own = slice(group.rank * BATCH // group.size, (group.rank + 1) * BATCH // group.size)
    head(wrapped(x[own]), labels[own], step=0).loss.backward()
    return {name: value.grad.clone() for name, value in network.named_parameters()}


def refusals(group):
    """Each mistake's text, as this process sees it."""
    plain = Case("plain", margin("cosface"), enhancement(0.5))
    head, other = make(plain, group), group.rank == group.size - 1
    x, labels = torch.ones(2, EMBEDDING, dtype=torch.float64), torch.tensor([0, 1])
    more = torch.ones(3, EMBEDDING, dtype=torch.float64), torch.tensor([0, 1, 2])

    def seeded(seed):
        MarginHead(plain.margin, None, 7, 5, group=group, generator=generator(seed), stream=generator(4))

    attempts = {
        "samples": lambda: head(*more) if other else head(x, labels),
        "step": lambda: head(x, labels, step=3 + other),
        "strength": lambda: head(x, labels, strength=0.25 if other else None),
        "dtype": lambda: head(x.float() if other else x, labels),
        "mode": lambda: head.train(not other)(x, labels),
        "classes": lambda: make(plain, group, classes=7 + other),
        "too few": lambda: make(plain, group, classes=group.size - 1),
        "seed": lambda: seeded(3 + other),
        "label": lambda: head.train()(x, labels + 6),
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except (BenchError, RuntimeError) as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


class Listening(Shards):
    """Notes what is told, and of what shape the own part is."""

    def __init__(self, processes):
        super().__init__(processes)
        self.heard = []

    def join(self, part, lengths, *, factor=1.0):
        self.heard.append(("join", *part.shape))
        return super().join(part, lengths, factor=factor)

    def sum(self, values):
        self.heard.append(("sum", *values.shape))
        return super().sum(values)

    def log_sum_exp(self, values):
        self.heard.append(("log_sum_exp", *values.shape))
        return super().log_sum_exp(values)

    def largest(self, values):
        self.heard.append(("largest", *values.shape))
        return super().largest(values)


def heard(case, processes):
    """What is told in the first and in the second step."""
    group, found = Listening(processes), []
    with registered():
        head = make(case, group)
        for step in range(2):
            group.heard.clear()
            train(head, case, [step])
            found.append(list(group.heard))
    return found


RESUMED = [
    Case("arcface", margin("arcface", s=6.0), enhancement(0.7, "spectral")),
    Case("curricularface", margin("curricularface", s=6.0)),
    Case("test_cost", {"name": "test_cost"}, terms=({"name": "test_within", "weight": 0.5},)),
]


def everything(group):
    with registered():
        done, runs = {}, few() if group.size > 2 else cases()
        for kind, function, some in (
            ("run", run, runs), ("resumed", resumed, RESUMED), ("parallel", data_parallel, RESUMED),
        ):  # fmt: skip
            for case in some:
                try:
                    done[f"{kind}: {case.name}"] = function(case, group)
                except Exception as error:
                    raise RuntimeError(f"{kind}: {case.name}") from error
        return done


def broken(group):
    """A failure of the last process, which the others know nothing of."""
    if group.rank == group.size - 1:
        raise ValueError("the last process has failed")
    group.agree("this", {})


def complete(group):
    """size -> what the first two processes of three find among themselves, and what all three do."""
    pair = dist.new_group([0, 1])
    found = {}
    if group.rank < 2:
        two = Shards(pair)
        found[2] = {**everything(two), "refusals": refusals(two)}
        found[2]["heard"] = {case.name: heard(case, pair) for case in few()}
    return {**found, 3: everything(group)}


def worker(rank, size, folder, work):
    """One process of a group; what it found is in ``folder`` when it ends, or else its traceback."""
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    os.environ["GLOO_SOCKET_IFNAME"] = names[0]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=size)
    try:
        torch.save(work(Shards()), Path(folder) / f"{rank}.pt")
    except BaseException:
        # Before the others hear of it: they fail as well then, and may be the first to be seen.
        (Path(folder) / f"{rank}.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise
    finally:
        dist.destroy_process_group()


def in_processes(size, folder, work):
    """What ``work(group)`` found in each of ``size`` real processes.

    Raises RuntimeError with the text of every error that a process met, TimeoutError where they do not end.
    """
    arguments = (size, str(folder), work)
    context = multiprocessing.start_processes(worker, arguments, size, join=False, start_method="spawn")
    end = time.monotonic() + LIMIT
    try:
        while not context.join(timeout=1):
            if time.monotonic() > end:
                raise TimeoutError(f"{size} processes have not ended within {LIMIT} s")
    except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
        texts = [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.txt"))]
        raise RuntimeError("\n".join(texts) or str(error)) from None
    finally:
        for process in context.processes:
            if process.is_alive():
                process.kill()
            process.join()
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(size)]
