"""What other packages register: where it comes from is told, and an entry point that is broken is one clear line."""

import json

import pytest

from bench.catalog import MARGINS, REGISTRIES
from bench.catalog.packages import Package, package_of
from bench.catalog.third_party import packages_of
from bench.errors import BenchError
from tests.third_party import installed, python

GROUP = "bench_losses_margins"
GOOD = "from bench.catalog import MARGINS\n\nMARGINS.register('good', summary='', source='')(len)\n"


def listed(folder, *words):
    return python("-m", "bench", "list", "margins", *words, path=(folder,), COLUMNS="200")


def declared(folder, value, source="", name="acme-margins"):
    (folder / "acme.py").write_text(source)
    return installed(folder, name, "1.2", {GROUP: {"theirs": value}})


@pytest.mark.parametrize(
    ("value", "source", "reason"),
    [
        ("acme_missing", "", "ModuleNotFoundError: No module named 'acme_missing'"),
        ("acme:nothing", "", "AttributeError: module 'acme' has no attribute 'nothing'"),
        ("acme", "1 / 0\n", "ZeroDivisionError: division by zero"),
        ("acme", "x = (\n", "SyntaxError: '(' was never closed (acme.py, line 1)"),
        ("acme", GOOD.replace("good", "arcface"), "margin 'arcface' is already registered by bench.losses.margins."),
        ("acme", GOOD + "raise ValueError('one\\ntwo')\n", "ValueError: one two"),
    ],
    ids=["no module", "no attribute", "error at import", "syntax error", "name taken", "half registered"],
)
def test_a_broken_entry_point_is_one_line_that_names_the_package(tmp_path, value, source, reason):
    answer = listed(declared(tmp_path, value, source), "--json")
    assert answer.returncode == 1
    assert answer.stdout == ""
    expected = (
        f"error: package acme-margins 1.2: its entry point theirs = {value} in {GROUP} cannot be loaded: {reason}"
    )
    assert answer.stderr.startswith(expected)
    assert answer.stderr.endswith("; mend the package or uninstall it\n")
    assert answer.stderr.count("\n") == 1


def test_help_and_other_registries_do_without_a_broken_package(tmp_path):
    folder = declared(tmp_path, "acme_missing")
    assert python("-m", "bench", "--help", path=(folder,)).returncode == 0
    assert python("-m", "bench", "list", "backbones", path=(folder,)).returncode == 0


def test_a_registry_with_a_broken_package_never_answers(tmp_path):
    program = """
from bench.catalog import MARGINS
from bench.errors import BenchError

for ask in (MARGINS.names, lambda: MARGINS.get("arcface"), lambda: "arcface" in MARGINS, lambda: list(MARGINS)):
    try:
        ask()
    except BenchError as error:
        assert "acme-margins 1.2" in str(error)
    else:
        raise SystemExit("answered")
"""
    answer = python("-c", program, path=(declared(tmp_path, "acme_missing"),))
    assert answer.returncode == 0, answer.stderr


def test_lists_say_which_package_brought_a_name(tmp_path):
    rows = {row["name"]: row["from"] for row in json.loads(listed(declared(tmp_path, "acme", GOOD), "--json").stdout)}
    assert rows.pop("good") == "acme-margins 1.2"
    assert set(rows.values()) == {""}
    table = listed(tmp_path).stdout
    assert "from" in table.split("arcface")[0]
    assert "acme-margins 1.2" in table


def test_without_other_packages_lists_have_no_such_column():
    own = python("-m", "bench", "list", "margins", path=(), COLUMNS="200").stdout
    assert " from " not in own.split("arcface")[0]


def test_of_two_packages_with_one_top_name_the_nearer_module_counts(tmp_path):
    for name in ("one", "two"):
        part = tmp_path / "acme" / name
        part.mkdir(parents=True)
        (part / "__init__.py").write_text("")
        (part / "inner.py").write_text(GOOD.replace("good", name))
        (part / "entry.py").write_text(f"import acme.{name}.inner\n")
        installed(tmp_path, f"acme-{name}", "1", {GROUP: {name: f"acme.{name}.entry"}})
    rows = {row["name"]: row["from"] for row in json.loads(listed(tmp_path, "--json").stdout)}
    assert (rows["one"], rows["two"]) == ("acme-one 1", "acme-two 1")


def test_every_part_of_this_project_is_its_own():
    assert {spec.package for registry in REGISTRIES.values() for spec in registry} == {None}
    assert package_of("bench.losses.margins.arcface") is None
    assert package_of("benchmark.margins") == Package("benchmark", None)


def test_a_training_that_uses_no_other_package_names_none():
    config = {
        "backbone": {"name": "small_cnn"}, "margin": {"name": "arcface"}, "terms": [],
        "enhancement": {"gate": {"name": "spectral"}, "profile": {"name": "angle"}},
        "recipe": {"augmentation": [{"name": "flip"}]},
    }  # fmt: skip
    assert packages_of(config) == {}


def test_every_part_of_a_training_counts(tmp_path):
    """Six packages of one part each: a configuration names those whose parts it uses, and no other."""
    kinds = ("backbone", "margin", "gate", "profile", "term", "augmentation")
    groups = {REGISTRIES[kind].entry_point_group: {"theirs": f"acme_{kind}"} for kind in kinds}
    for version, (group, entries) in enumerate(groups.items()):
        (module,) = entries.values()
        kind = module.removeprefix("acme_")
        source = f"import functools\nfrom bench.catalog import REGISTRIES\n\nR = REGISTRIES[{kind!r}]\n"
        source += "R.register('theirs', summary='', source='')(functools.partial(len))\n"
        (tmp_path / f"{module}.py").write_text(source)
        installed(tmp_path, f"acme-{kind}", str(version), {group: entries})
    program = """
import itertools
from bench.catalog.third_party import packages_of

def name(kind, own):
    return {"name": "theirs" if kind in chosen else own}

kinds = ("backbone", "margin", "gate", "profile", "term", "augmentation")
for chosen in itertools.chain.from_iterable(itertools.combinations(kinds, n) for n in range(7)):
    config = {
        "backbone": name("backbone", "small_cnn"),
        "margin": name("margin", "arcface"),
        "enhancement": {"gate": name("gate", "uniform"), "profile": name("profile", "angle")},
        "terms": [{"name": "theirs"}] if "term" in chosen else [],
        "recipe": {"augmentation": [name("augmentation", "flip")]},
    }
    assert packages_of(config) == {f"acme-{kind}": str(kinds.index(kind)) for kind in chosen}, chosen
"""
    answer = python("-c", program, path=(tmp_path,))
    assert answer.returncode == 0, answer.stderr


def test_a_part_that_no_installed_package_declares_is_refused(monkeypatch):
    monkeypatch.setattr(MARGINS, "_specs", {name: MARGINS.get(name) for name in MARGINS.names()})
    MARGINS.register("loose", summary="", source="")(len)
    config = {
        "backbone": {"name": "small_cnn"}, "margin": {"name": "loose"}, "terms": [], "enhancement": None,
        "recipe": {"augmentation": []},
    }  # fmt: skip
    with pytest.raises(BenchError, match=rf"margin 'loose' was registered by module {__name__}, which no installed"):
        packages_of(config)
