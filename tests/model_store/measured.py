"""What could have been measured of a small model."""

from model_store import (
    AccuracyEvaluation,
    AttackOutcome,
    CertifiedAt,
    CertifiedEvaluation,
    RobustnessEvaluation,
    WorstCase,
)


def accuracy() -> AccuracyEvaluation:
    settings = {"classifier": "latent", "solver": "adam", "effort": None}
    return AccuracyEvaluation(split="test", images=100, correct=97, settings=settings)


def robustness() -> RobustnessEvaluation:
    outcomes = {
        name: AttackOutcome(norm="linf", epsilon=0.3, settings={"steps": 80}, robust=robust)
        for name, robust in (("pgd-linf", 80), ("deepfool-linf", 70))
    }
    worst = WorstCase(norm="linf", epsilon=0.3, robust=65)
    return RobustnessEvaluation(
        split="test",
        images=100,
        settings={"served": "latent inference, fast"},
        seed=3,
        clean=97,
        attacks=outcomes,
        worst_case=(worst,),
    )


def certified() -> CertifiedEvaluation:
    return CertifiedEvaluation(
        split="validation",
        images=100,
        settings={"base": "latent", "sigma": 0.5, "alpha": 0.001},
        certificate="smoothing",
        sound=True,
        clean=96,
        radii=(CertifiedAt(radius=0.5, certified=90), CertifiedAt(radius=1.5, certified=40)),
    )


EVALUATIONS = (accuracy(), robustness(), certified())
