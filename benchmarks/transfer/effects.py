"""The effects that papers report, on networks trained for the purpose: one matrix for each attack at equal steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from torch import nn

from auditor.engine.clean import clean_pass
from auditor.engine.plan import configured
from auditor.engine.store import Store
from auditor.engine.transfer.contender import Contender
from auditor.engine.transfer.stage import TransferStage
from auditor.plugins import load_plugins
from auditor.result.transfer import TransferCell, TransferMatrix, TransferResult
from auditor.samples.memory import InMemory
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.target.base import Target
from auditor.testing import oracles
from auditor.types import Norm
from benchmarks.networks import test_samples
from benchmarks.transfer.families import HARDENED, family_of

EPS = 0.1
SAMPLES = 500
STEPS = 10
ATTACKS: dict[str, tuple[str, dict[str, float]]] = {
    "PGD": ("pgd", {}),
    "MI": ("mifgsm", {}),
    "DI": ("difgsm", {}),
    "TI": ("tifgsm", {}),
    "MI-DI-TI": ("transfer", {"neighbours": 0}),
}


def target_of(network: nn.Module, name: str) -> Target:
    """A module as a target whose pixels need nothing done to them."""
    return replace(oracles.target_of(network, 10), name=name, source=name, sha256=name)


def measured(networks: dict[str, nn.Module], eps: float = EPS, *, ensemble: bool = False) -> TransferResult:
    """All matrices between these networks."""
    x, y = test_samples("mnist")
    samples = InMemory(x[:SAMPLES], y[:SAMPLES])
    settings = Settings(
        models=tuple(networks),
        data="mnist",
        threats=(ThreatSetting(norm=Norm.LINF, eps=eps),),
        transfer_attacks=tuple(AttackSetting(name=n, parameters={"steps": STEPS, **p}) for n, p in ATTACKS.values()),
        ensemble=ensemble,
    )
    plugins = load_plugins()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.remember("batch size", 256)

        def load(name: str) -> Target:
            return target_of(networks[name], name)

        contenders = [
            Contender.of(target, clean_pass(target, samples, store, 256, lambda event: None, (name,)))
            for name in networks
            for target in [load(name)]
        ]

        def make(name: str, parameters: object) -> object:
            return configured(plugins.attacks(), name, parameters)  # type: ignore[arg-type]

        stage = TransferStage(settings, make, load, samples, store, lambda event: None, float("inf"))  # type: ignore[arg-type]
        result = stage.run(contenders)
        store.close()
    assert result is not None
    return result


def report(networks: dict[str, nn.Module]) -> Iterator[str]:
    """Tables of the effects."""
    yield f"Shares of samples that fall, {SAMPLES} digits, linf {EPS:g}, {STEPS} steps; floor: noise of that size.\n"
    result = measured(networks)
    yield from _by_attack(result)
    yield "\nMI-DI-TI, from the row's network to the column's:\n"
    yield from _matrix(result.matrices[-1])
    yield "\nSeveral sources at once (MI-DI-TI), beside the best single one:\n"
    yield from _together(networks)


def _by_attack(result: TransferResult) -> Iterator[str]:
    kinds = [
        ("on itself", lambda c: c.source == c.target),
        ("same family, same half", _kin(same_half=True)),
        ("same family, disjoint halves", _kin(same_half=False)),
        ("across families", _across),
        ("to hardened", lambda c: c.target in HARDENED and c.source not in HARDENED),
        ("from hardened", lambda c: c.source in HARDENED and c.target not in HARDENED),
    ]
    yield f"| | {' | '.join(ATTACKS)} | noise |"
    yield f"| --- |{' ---: |' * (len(ATTACKS) + 1)}"
    for title, wanted in kinds:
        shares = [mean_rate(matrix.cells, wanted) for matrix in result.matrices]
        floor = fmean(c.noise / c.among for c in result.matrices[0].cells if wanted(c) and c.noise is not None)
        yield f"| {title} | {' | '.join(f'{share:.1%}' for share in shares)} | {floor:.1%} |"


def _together(networks: dict[str, nn.Module]) -> Iterator[str]:
    """What ensembles add among one network of each family and the hardened ones."""
    yield "| target | best single source | worst ensemble | its members |\n| --- | ---: | ---: | --- |"
    names = [name for name in networks if name in HARDENED or name.endswith("0")]
    matrix = measured({name: networks[name] for name in names}, ensemble=True).matrices[-1]
    members = {source.name: source.members for source in matrix.sources}
    for target in names:
        cells = [cell for cell in matrix.cells if cell.target == target != cell.source and cell.rate is not None]
        alone = max((cell for cell in cells if len(members[cell.source]) == 1), key=lambda cell: cell.rate or 0.0)
        several = max((cell for cell in cells if len(members[cell.source]) > 1), key=lambda cell: cell.rate or 0.0)
        told = ", ".join(members[several.source])
        yield f"| {target} | {alone.rate:.1%} ({alone.source}) | {several.rate:.1%} | {told} |"


def mean_rate(cells: Sequence[TransferCell], wanted: Callable[[TransferCell], bool]) -> float:
    """The mean share over some cells."""
    return fmean(cell.rate for cell in cells if cell.rate is not None and wanted(cell))


def _kin(*, same_half: bool) -> Callable[[TransferCell], bool]:
    def wanted(cell: TransferCell) -> bool:
        families = {family_of(cell.source), family_of(cell.target)}
        alike = cell.source.split("-")[1][0] == cell.target.split("-")[1][0]
        return len(families) == 1 and families != {"hardened"} and cell.source != cell.target and alike == same_half

    return wanted


def _across(cell: TransferCell) -> bool:
    families = {family_of(cell.source), family_of(cell.target)}
    return len(families) == 2 and "hardened" not in families


def _matrix(matrix: TransferMatrix) -> Iterator[str]:
    rates = {(cell.source, cell.target): cell.rate for cell in matrix.cells}
    yield f"| | {' | '.join(matrix.targets)} |"
    yield f"| --- |{' ---: |' * len(matrix.targets)}"
    for source in matrix.targets:
        yield f"| {source} | {' | '.join(f'{rates[source, target]:.0%}' for target in matrix.targets)} |"
