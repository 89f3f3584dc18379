"""From the options of ``bench evaluate`` to a function that evaluates one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, DataError, Mistake, SuiteError
from bench.suite.source import parse_options

if TYPE_CHECKING:
    import numpy as np

    from bench.data.resolve import Tell
    from bench.evaluation.models import Model
    from bench.evaluation.protocols import FoundProtocol
    from bench.evaluation.record import Measures, Record

    Run = Callable[[FoundProtocol, Measures, Tell], tuple[Record, np.ndarray, np.ndarray | None]]

Options = Mapping[str, Any]
"""Option → value, those that were given only."""

NETWORKS = ("onnx", "checkpoint", "module")
SOURCES = ("embeddings", "scores", *NETWORKS)
BELONGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("names", "in_order", "per"), ("embeddings",)),
    "direction": ("scores",),
    "output": ("onnx",),
    **dict.fromkeys(("weights", "module_option"), ("module",)),
    **dict.fromkeys(("pixels", "flip", "device", "save_embeddings"), NETWORKS),
    **dict.fromkeys(("colour", "scale", "mean", "std"), ("onnx", "module")),
}
"""Option → the sources that it is for."""


@dataclass(frozen=True)
class Method:
    """How a protocol is evaluated: (protocol, measures, tell) → record, scores (P,), and raw embeddings (N, d) if a
    network made them. ``facts``: what is evaluated, for the record."""

    facts: dict[str, Any]
    run: Run


def one_source(given: Options) -> str:
    """The one source among the options. Raises SuiteError for none or several, and for options that are not for it."""
    found = [source for source in SOURCES if source in given]
    if len(found) != 1:
        wanted = ", ".join(f"--{source}" for source in SOURCES)
        raise SuiteError([_mistake("", f"give one of {wanted}; found {_listed(found)}")])
    source = found[0]
    strange = [option for option, sources in BELONGS.items() if option in given and source not in sources]
    problems = [_mistake("", f"{_flag(o)} is for {_listed(BELONGS[o])}, not for --{source}") for o in strange]
    problems += [_mistake("", f"{_flag(o)} needs an existing folder, {given[o]} has none") for o in _homeless(given)]
    single = [option for option in ("scores", "save_scores", "save_embeddings") if option in given]
    if single and len(given.get("protocols", ())) > 1:
        problems.append(_mistake("", f"{_listed(single)} holds one protocol, found {', '.join(given['protocols'])}"))
    if source == "scores" and "direction" not in given:
        problems.append(_mistake("", "--scores needs --direction: similarity, or distance where higher is less alike"))
    if problems:
        raise SuiteError(problems)
    return source


def parse_rates(text: str) -> tuple[str, ...]:
    """``"1e-3, .01"`` as ``("1e-2", "1e-3")``. Raises DataError for what is no rate."""
    from bench.evaluation.rates import exact_rate, rate_text

    rates = {exact_rate(word.strip()) for word in text.split(",") if word.strip()}
    return tuple(rate_text(rate) for rate in sorted(rates, reverse=True))


def parse_ranks(text: str) -> tuple[int, ...]:
    """``"5,1"`` as ``(1, 5)``. Raises DataError for what is no rank."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and int(word))]
    if wrong:
        raise DataError(f"a rank is a whole number from 1, found {wrong[0]!r}")
    return tuple(sorted({int(word) for word in words}))


def make_method(source: str, given: Options) -> Method:
    """Reads or loads what is evaluated. Raises BenchError in one line."""
    makers = {
        "embeddings": _embeddings, "scores": _scores, "onnx": _onnx, "module": _module, "checkpoint": _checkpoint,
    }  # fmt: skip
    return makers[source](given)


def _embeddings(given: Options) -> Method:
    from bench.evaluation.embeddings import evaluate_embeddings
    from bench.evaluation.files import read_embeddings

    path, per = given["embeddings"], given.get("per", "image")
    names, rows = read_embeddings(path, given.get("names"))
    if names is None and "in_order" not in given:
        raise BenchError(
            f"{path} holds no names: pass --names FILE, or --in-order if it stands in the protocol's order"
        )
    if names is not None and "in_order" in given:
        raise BenchError(f"{path} has names, so it is matched by them; leave out --in-order")

    def run(test: FoundProtocol, measures: Measures, tell: Tell) -> tuple[Record, np.ndarray, None]:
        try:
            return *evaluate_embeddings(test.protocol, names, rows, per=per, measures=measures), None
        except BenchError as error:
            raise type(error)(f"{path} on {test.name}: {error}") from None

    return Method({"kind": "embeddings", "file": path.name, "per": per, "rows": len(rows)}, run)


def _scores(given: Options) -> Method:
    from bench.evaluation.embeddings import evaluate_scores
    from bench.evaluation.files import read_scores

    path, direction = given["scores"], given["direction"]
    scores = read_scores(path)

    def run(test: FoundProtocol, measures: Measures, tell: Tell) -> tuple[Record, np.ndarray, None]:
        return evaluate_scores(test.protocol, scores, direction=direction, measures=measures), scores, None

    return Method({"kind": "scores", "file": path.name, "direction": direction}, run)


def _onnx(given: Options) -> Method:
    from bench.evaluation.models import onnx_model
    from bench.evaluation.preprocessing import preprocessing

    words = {key: given[key] for key in ("colour", "scale", "mean", "std") if key in given}
    return _network(
        onnx_model(
            given["onnx"], preprocessing(**words), pixels=given.get("pixels"),
            device=given.get("device", "auto"), output=given.get("output"),
        ),
        given,
    )  # fmt: skip


def _module(given: Options) -> Method:
    from bench.evaluation.models import torch_model
    from bench.evaluation.preprocessing import preprocessing
    from bench.training.environment import pick_device

    words = {key: given[key] for key in ("colour", "scale", "mean", "std") if key in given}
    return _network(
        torch_model(
            given["module"], preprocessing(**words), pixels=given.get("pixels"),
            device=pick_device(given.get("device", "auto")), weights=given.get("weights"),
            options=parse_options("--module-option", given.get("module_option", ())),
        ),
        given,
    )  # fmt: skip


def _checkpoint(given: Options) -> Method:
    """A run's backbone as the suite's own evaluation would see it; nothing is written into the run."""
    from bench.data.tensors import normalise
    from bench.evaluation.models import Model
    from bench.evaluation.preprocessing import Preprocessing
    from bench.scheduling.evaluate_run import load_trained
    from bench.scheduling.selection import only_run
    from bench.store import Store
    from bench.training.environment import make_deterministic, pick_device

    store = Store(Path(given["results"]))
    run = only_run(store.run_ids(), given["checkpoint"], store.root)
    result, config = store.result(run), store.config(run)
    if result is None or config is None:
        raise BenchError(f"run {run} is not trained yet")
    if given.get("pixels", config["pixels"]) != config["pixels"]:
        raise BenchError(f"run {run} was trained on {config['pixels']} pixels, --pixels says {given['pixels']}")
    recipe = config["recipe"]
    make_deterministic(threads=recipe["threads"], deterministic=recipe["deterministic"])
    device = pick_device(given.get("device", "auto"))
    backbone, _ = load_trained(store, run, config, device)
    facts = {
        "kind": "checkpoint", "run": run, "backbone": config["backbone"], "sha256": result["weights_sha256"],
        "fed": Preprocessing().facts(),
    }  # fmt: skip
    return _network(Model(backbone, config["pixels"], normalise, str(Preprocessing()), device, facts), given)


def _network(model: Model, given: Options) -> Method:
    from bench.data.cache import cache_root
    from bench.evaluation.models import evaluate_model

    flip = given.get("flip", True)

    def run(test: FoundProtocol, measures: Measures, tell: Tell) -> tuple[Record, np.ndarray, np.ndarray]:
        packed = test.packed(pixels=model.pixels, cache=cache_root(), tell=tell)
        return evaluate_model(
            model, packed, flip=flip, measures=measures,
            progress=lambda done, total: tell(f"embedding {test.name}", done, total),
        )  # fmt: skip

    said = {"pixels": model.pixels, "said": model.fed, "flip": flip, "device": str(model.device)}
    return Method({**model.facts, **said}, run)


def _homeless(given: Options) -> list[str]:
    """Options whose file cannot be written because its folder is missing: better said before hours of work."""
    written = [option for option in ("out", "save_scores", "save_embeddings") if option in given]
    return [option for option in written if not given[option].absolute().parent.is_dir()]


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def _listed(options: Sequence[str]) -> str:
    return ", ".join(map(_flag, options)) or "none"


def _mistake(field: str, problem: str) -> Mistake:
    return Mistake("bench evaluate", None, field, problem)
