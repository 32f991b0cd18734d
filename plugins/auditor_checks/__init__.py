"""First-party trust checks, offered through the same door as anyone's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.check import Check


@hookimpl
def auditor_checks() -> list[type[Check]]:
    """Every check of this package, in the order of their codes."""
    from auditor_checks.abstention import Abstention
    from auditor_checks.batch import BatchInvariance
    from auditor_checks.binarisation import BinarisationTest
    from auditor_checks.budget import Budget
    from auditor_checks.certified import ProofAgainstExample
    from auditor_checks.classes import ClassCount
    from auditor_checks.clean_accuracy import CleanAccuracy
    from auditor_checks.complete import SuiteComplete
    from auditor_checks.control import UndefendedControl
    from auditor_checks.convergence import MoreSteps
    from auditor_checks.data import SampleQuality
    from auditor_checks.determinism import Determinism
    from auditor_checks.draws import EnoughDraws
    from auditor_checks.duplicates import OneFamily
    from auditor_checks.dynamic import DynamicModel
    from auditor_checks.finite import FiniteAnswers
    from auditor_checks.fixed_draw import FixedDraw
    from auditor_checks.full_range import FallsToChance, UnboundedAttack
    from auditor_checks.gradients import Differentiable, UsefulGradients
    from auditor_checks.hardened import TrainedOn
    from auditor_checks.labels import LabelOrder
    from auditor_checks.losses import OtherLosses
    from auditor_checks.masking import BlackBoxBeatsWhiteBox
    from auditor_checks.mode import EvalMode
    from auditor_checks.pixels import PixelRange, PixelScale
    from auditor_checks.probabilities import ProbabilityHead
    from auditor_checks.random_noise import NoiseBeatsGradients
    from auditor_checks.refuted import RefutedExamples
    from auditor_checks.restarts import MoreRestarts
    from auditor_checks.rough import RoughLoss
    from auditor_checks.rounding import EightBits
    from auditor_checks.silent import SilentSuccess
    from auditor_checks.single_step import SingleStepBeatsIterative
    from auditor_checks.smaller import SmallerBudget
    from auditor_checks.transfer import TransferBeatsWhiteBox
    from auditor_checks.twin import TwinAgreement
    from auditor_checks.unfinished import UnfinishedClimb
    from auditor_checks.useless import UselessGradients
    from auditor_checks.wiring import ModelWiring
    from auditor_checks.worst_class import WorstClass

    return [
        PixelRange,
        PixelScale,
        CleanAccuracy,
        ModelWiring,
        LabelOrder,
        EvalMode,
        BatchInvariance,
        Determinism,
        ProbabilityHead,
        ClassCount,
        DynamicModel,
        Differentiable,
        UsefulGradients,
        TwinAgreement,
        Budget,
        SampleQuality,
        FiniteAnswers,
        SingleStepBeatsIterative,
        BlackBoxBeatsWhiteBox,
        UnboundedAttack,
        NoiseBeatsGradients,
        SmallerBudget,
        FallsToChance,
        MoreSteps,
        UnfinishedClimb,
        MoreRestarts,
        SilentSuccess,
        RoughLoss,
        OtherLosses,
        TransferBeatsWhiteBox,
        BinarisationTest,
        FixedDraw,
        EnoughDraws,
        OneFamily,
        TrainedOn,
        UndefendedControl,
        Abstention,
        UselessGradients,
        RefutedExamples,
        EightBits,
        SuiteComplete,
        ProofAgainstExample,
        WorstClass,
    ]
