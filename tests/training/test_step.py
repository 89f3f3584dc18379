"""One step in micro-batches: the loss and gradient of the whole batch, at the memory of a part."""

import copy
import weakref

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from bench.backbones.catalog import build
from bench.catalog import TERMS
from bench.suite.seeds import seed_for
from bench.training.step import HALF, forward_backward
from tests.losses.loss_heads import block, enhancement, head, margin

BATCH, CLASSES, EMBEDDING = 12, 20, 6
MOMENT = {"seed": 3, "epoch": 1, "step": 2}
IMAGES = torch.randn(BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(BATCH) % 7


def recipe(micro_batch=None, precision="float32"):
    """As it is planned: without the field where it is null."""
    return {"precision": precision} if micro_batch is None else {"precision": precision, "micro_batch": micro_batch}


def plain_network():
    """Without BatchNorm, in float64."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, stride=2), nn.PReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, EMBEDDING)
    return nn.Sequential(*layers).double()


def backbone(name="small_cnn", dropout=0.4, **options):
    """With BatchNorm, in its neck at least, and dropout."""
    options = {"name": name, "embedding": EMBEDDING, "dropout": dropout, **options}
    return build(options, pixels=16, generator=torch.Generator().manual_seed(0))


def loss_of(made):
    return lambda embeddings: made(embeddings, LABELS, step=5, strength=0.1)


def gradients(network, made=None):
    """Of every parameter; with Partial FC those of the step's centres."""
    values = [*network.parameters(), *([] if made is None else made.trainable())]
    return [value.grad for value in values if value.grad is not None]


LOSSES = {
    "batch statistics": margin("adaface"),
    "a moving average": margin("curricularface"),
    "draws": margin("elasticface_arc_plus"),
    "a learned scale": margin("uniface"),
    "norms": margin("magface"),
    "sub-centres": margin("subcenter_arcface", k=2),
}


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("named", LOSSES)
def test_micro_batches_have_the_loss_the_gradient_and_the_state_of_the_whole_batch(named, share):
    chosen = LOSSES[named]
    names = [] if named in ("sub-centres", "a learned scale") else ["center_loss", "mhe", "uniformface"]
    terms = [{"weight": 0.5, **block(TERMS, name)} for name in names]
    gate = "uniform" if named == "a learned scale" else "spectral"

    def trained(micro_batch):
        network = plain_network()
        made = head(
            chosen, enhancement(0.1, gate), classes=CLASSES, embedding=EMBEDDING, share=share, terms=terms
        ).train()
        found = forward_backward(network, loss_of(made), IMAGES.double(), recipe=recipe(micro_batch), moment=MOMENT)
        return network, made, found

    whole_network, whole_head, whole = trained(None)
    assert gradients(whole_network)
    for micro_batch in (2, 3, 6):
        network, made, found = trained(micro_batch)
        torch.testing.assert_close(found.loss, whole.loss, rtol=1e-12, atol=0)
        assert found.terms.keys() == whole.terms.keys()
        expected = gradients(whole_network, whole_head)
        torch.testing.assert_close(gradients(network, made), expected, rtol=1e-9, atol=1e-13)
        torch.testing.assert_close(made.state_dict(), whole_head.state_dict(), rtol=1e-12, atol=1e-14)


def seen_by(network):
    """Every output of a network, in order."""
    seen = []
    network.register_forward_hook(lambda module, given, output: seen.append(output.detach().clone()))
    return seen


@pytest.mark.parametrize("precision", ["float32", *HALF])
@pytest.mark.parametrize(
    ("name", "options"),
    [("small_cnn", {"width": 2, "depth": 1}), ("timm/test_vit", {"options": {"drop_path_rate": 0.3}})],
)
def test_both_passes_give_the_same_embeddings_to_the_bit(name, options, precision):
    network = backbone(name, **options)
    seen = seen_by(network)
    made = head(margin("arcface"), classes=CLASSES, embedding=EMBEDDING, dtype=torch.float32).train()
    forward_backward(network, loss_of(made), IMAGES, recipe=recipe(4, precision), moment=MOMENT)
    assert len(seen) == 6
    for first, again in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, again)


def test_running_statistics_and_gradient_are_those_of_a_loop_over_the_micro_batches():
    network = backbone(width=2, depth=1).double()
    slow = copy.deepcopy(network)
    made, slow_head = (head(margin("adaface"), classes=CLASSES, embedding=EMBEDDING).train() for _ in range(2))
    parts = []
    for number, part in enumerate(IMAGES.double().split(4)):
        torch.manual_seed(seed_for("layers", **MOMENT, micro_batch=number))
        parts.append(slow(part))
    loss_of(slow_head)(torch.cat(parts)).loss.backward()
    forward_backward(network, loss_of(made), IMAGES.double(), recipe=recipe(4), moment=MOMENT)
    counts = [value for name, value in network.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts
    assert all(count == 3 for count in counts)
    for value, expected in zip(network.buffers(), slow.buffers(), strict=True):
        assert torch.equal(value, expected)
    torch.testing.assert_close(gradients(network), gradients(slow), rtol=1e-9, atol=1e-13)


def test_batchnorm_makes_micro_batches_another_training():
    def trained(micro_batch):
        network = backbone(dropout=0.0, width=2, depth=1).double()
        made = head(margin("arcface"), classes=CLASSES, embedding=EMBEDDING).train()
        return forward_backward(network, loss_of(made), IMAGES.double(), recipe=recipe(micro_batch), moment=MOMENT)

    assert trained(None).loss != trained(4).loss


def test_masks_follow_seed_epoch_step_and_the_number_of_the_micro_batch():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 16 * 16, EMBEDDING))
    seen = seen_by(network)
    made = head(margin("arcface"), classes=CLASSES, embedding=EMBEDDING, dtype=torch.float32)
    same = IMAGES[:1].expand(BATCH, -1, -1, -1)

    def first_pass(**moment):
        seen.clear()
        forward_backward(network, loss_of(made), same, recipe=recipe(6), moment={**MOMENT, **moment})
        return seen[:2]

    one, two = first_pass()
    assert not torch.equal(one, two)
    for moment in ({"seed": 4}, {"epoch": 2}, {"step": 3}):
        assert not torch.equal(first_pass(**moment)[0], one)
    assert torch.equal(first_pass()[0], one)


class Holder(list):
    """Of one tensor; can be watched until it goes."""


class Kept:
    """The bytes that autograd keeps for the backward pass, now and at most; a tensor counts until its graph goes."""

    def __init__(self):
        self.now = self.most = 0

    def pack(self, tensor):
        holder, size = Holder([tensor.detach()]), tensor.numel() * tensor.element_size()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(holder, self.release, size)
        return holder

    def release(self, size):
        self.now -= size

    @staticmethod
    def unpack(holder):
        return holder[0]


def test_activations_of_one_micro_batch_are_kept_at_a_time():
    def most(micro_batch):
        network, kept = backbone(width=8, depth=1), Kept()
        made = head(margin("arcface"), classes=CLASSES, embedding=EMBEDDING, dtype=torch.float32)
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
            forward_backward(network, loss_of(made), IMAGES, recipe=recipe(micro_batch), moment=MOMENT)
        assert kept.now == 0
        weights = sum(value.numel() * value.element_size() for value in network.parameters())
        return kept.most - weights  # of which at least those of the last layers are there whatever the batch

    assert most(2) < 0.25 * most(None)


def test_what_is_scaled_is_the_gradient_and_not_the_loss():
    def found(micro_batch, scale):
        network, made = plain_network(), head(margin("adaface"), classes=CLASSES, embedding=EMBEDDING)
        output = forward_backward(
            network, loss_of(made), IMAGES.double(), recipe=recipe(micro_batch), moment=MOMENT,
            scaled=lambda loss: loss * scale,
        )  # fmt: skip
        return output.loss, gradients(network, made)

    for micro_batch in (None, 4):
        loss, plain = found(micro_batch, 1.0)
        scaled_loss, scaled = found(micro_batch, 8.0)
        assert torch.equal(loss, scaled_loss)
        for value, expected in zip(scaled, plain, strict=True):
            assert torch.equal(value, 8 * expected)


def test_processes_that_share_the_network_exchange_its_gradient_once_a_step(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        alone, shared = plain_network(), plain_network()
        wrapped, exchanges = DistributedDataParallel(shared), []

        def counted(_, bucket):
            exchanges.append(bucket)
            done = torch.futures.Future()
            done.set_result(bucket.buffer())
            return done

        wrapped.register_comm_hook(None, counted)
        made = head(margin("arcface"), classes=CLASSES, embedding=EMBEDDING)
        for network in (alone, wrapped):
            made.zero_grad()
            forward_backward(network, loss_of(made), IMAGES.double(), recipe=recipe(4), moment=MOMENT)
        assert len(exchanges) == 1
        torch.testing.assert_close(gradients(shared), gradients(alone))
    finally:
        torch.distributed.destroy_process_group()
