"""How a reader is built: which stages, how often, within what time."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    # Loaded only for a configuration that names stages: the defaults need no proof.
    from agent.vision.stages import STAGES  # noqa: PLC0415

    for name in names:
        if name not in STAGES:
            raise ValueError(f"no stage {name!r}; known are {', '.join(STAGES)}")
    return names


StageNames: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_known), Field(max_length=16)]


class ReaderConfig(BaseModel):
    """A cascade.

    Args:
        stages: tried in order until one reads; the first on every frame in which something stirs, the
            others at its most patterned place, as time allows.
        wide_stages: those of the stages and extras that also look at all of a first or only picture in which there
            are patterned places; what is left out there costs too much for what it finds.
        extras: costly last resorts, one of them in turn on every extra_every-th miss while something stirs.
        budget_ms: reading time that a frame earns; the first stage looks even when it is spent.
        rest_every: while nothing stirs, one stage in turn looks at one frame in so many.
        max_codes: sightings a frame, at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: StageNames = ("a", "s", "B", "S", "A", "third")
    wide_stages: StageNames = ("a", "B", "A", "third", "bent", "pale")
    extras: StageNames = ("bent", "pyzbar", "pale", "double")
    extra_every: int = Field(default=3, ge=1, le=1000)
    budget_ms: float = Field(default=60.0, ge=1, le=60_000)
    rest_every: int = Field(default=8, ge=1, le=1000)
    max_codes: int = Field(default=16, ge=1, le=64)

    @classmethod
    def still(cls) -> "ReaderConfig":
        """For single photographs: every way of looking, until one reads."""
        return cls(
            stages=("B", "a", "s", "S", "A", "b", "third"),
            wide_stages=("B", "a", "A", "b", "third", "bent", "pale"),
            budget_ms=10_000,
        )
