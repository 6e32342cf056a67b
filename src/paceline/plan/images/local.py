"""Variants of an image model on the machine at hand: which exist, fit, and what they should do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paceline.plan.enumerate import EngineOffer, unchanged
from paceline.plan.images.predict import (
    ImagePlace,
    image_figures,
    image_times,
    memory_of,
)
from paceline.plan.images.shape import ImageShape
from paceline.plan.local.machine import bare_device, device_of
from paceline.records.hardware import Accelerator, AcceleratorKind
from paceline.records.image import ImageFamily, ImageLoad
from paceline.records.plan import Predicted
from paceline.records.request import Request
from paceline.records.variant import Knob, Rejection, RejectionReason, Scalar, Variant

COMPILE, BATCH, OFFLOAD = "compile", "batch", "offload"
"""Knobs of engines that make pictures; one that an engine lacks is not turned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJudge:
    """What the planner knows of one image model under one request."""

    request: Request
    load: ImageLoad
    family: ImageFamily
    shape: ImageShape
    accelerators: Sequence[Accelerator]

    def variants(self, offers: Sequence[EngineOffer]) -> tuple[Variant, ...]:
        """Every engine and format, plain first, then with one knob turned, then compiled batches.

        Where the parts fit a card only by taking turns, every variant of it has them take turns.
        """
        plain = unchanged(offers, self.accelerators)
        knobs = {offer.name: offer.knobs for offer in offers}
        turned = [
            changed
            for variant in plain
            for changed in self._changed(variant, knobs[variant.engine])
        ]
        return (*plain, *dict.fromkeys(turned))

    def _changed(self, variant: Variant, knobs: Sequence[Knob]) -> list[Variant]:
        others = {k.name: k.values[1:] for k in knobs if k.name != OFFLOAD}
        singles: list[tuple[tuple[str, Scalar], ...]] = [
            ((name, value),) for name, values in others.items() for value in values
        ]
        both = [
            ((BATCH, batch), (COMPILE, compiled))
            for batch in others.get(BATCH, ())
            for compiled in others.get(COMPILE, ())
        ]
        settings = [*singles, *both]
        if any(knob.name == OFFLOAD for knob in knobs):
            turns = (OFFLOAD, True)
            found = [_with(variant, (turns,))]
            needed = not self._fits(variant) and self._fits(found[0])
            return [*found, *(_with(variant, (*s, turns) if needed else s) for s in settings)]
        return [_with(variant, setting) for setting in settings]

    def rejection(self, variant: Variant) -> Rejection | None:
        """Memory, and whether taking turns is of use; `None` where nothing speaks against it."""
        place = self._accelerator(variant)
        memory = memory_of(self.shape, self.load, self.family, self._place(variant))
        if _knob(variant, OFFLOAD):
            if place.kind is AcceleratorKind.CPU:
                return Rejection(
                    variant=variant,
                    reason=RejectionReason.UNSUPPORTED,
                    detail="a processor has one memory: there is nowhere to move parts from",
                )
            at_once = memory_of(
                self.shape, self.load, self.family, replace(self._place(variant), offload=False)
            )
            if at_once.fits:
                return Rejection(
                    variant=variant,
                    reason=RejectionReason.PREDICTED,
                    detail="all parts fit at once, so that moving them only takes time",
                    have=f"{at_once.need_gib:.1f} GiB",
                    need=f"more than {at_once.have_gib:.1f} GiB",
                )
        if memory.fits:
            return None
        return Rejection(
            variant=variant,
            reason=RejectionReason.DOES_NOT_FIT,
            detail=f"needs more memory than {place.name} has",
            have=f"{memory.have_gib:.1f} GiB of {place.memory_gib:.1f} GiB",
            need=memory.parts + self._taking_turns(variant),
        )

    def _taking_turns(self, variant: Variant) -> str:
        """What the same needs where parts leave the card; nothing to say where they cannot, or do
        already."""
        place = self._place(variant)
        if place.offload or place.device.kind == "cpu":
            return ""
        turns = memory_of(self.shape, self.load, self.family, replace(place, offload=True))
        return f"; with parts taking turns {turns.need_gib:.1f} GiB"

    def foretell(self, variants: Sequence[Variant]) -> tuple[Predicted, ...]:
        """Figures with bands of those whose accelerator the tables know."""
        return tuple(
            self._predicted(variant)
            for variant in variants
            if device_of(self._accelerator(variant)) is not None
        )

    def _predicted(self, variant: Variant) -> Predicted:
        place = self._place(variant)
        memory = memory_of(self.shape, self.load, self.family, place)
        metrics = image_figures(
            image_times(self.shape, self.load, self.family, place),
            memory,
            self.request.workload,
            device=place.device,
            usd_per_hour=self.request.usd_per_hour(variant),
        )
        return Predicted(variant_id=variant.id, metrics=metrics, requests_at_most=place.pictures)

    def _fits(self, variant: Variant) -> bool:
        return memory_of(self.shape, self.load, self.family, self._place(variant)).fits

    def _accelerator(self, variant: Variant) -> Accelerator:
        return next(one for one in self.accelerators if one.name == variant.accelerator)

    def _place(self, variant: Variant) -> ImagePlace:
        place = self._accelerator(variant)
        batch = _knob(variant, BATCH)
        return ImagePlace(
            device=device_of(place) or bare_device(place),
            format=variant.format,
            compiled=_knob(variant, COMPILE) is True,
            pictures=batch if isinstance(batch, int) and batch > 1 else 1,
            offload=_knob(variant, OFFLOAD) is True,
        )


def _knob(variant: Variant, name: str) -> Scalar | None:
    return dict(variant.knobs).get(name)


def _with(variant: Variant, knobs: Sequence[tuple[str, Scalar]]) -> Variant:
    return replace(variant, knobs=tuple(sorted(knobs)))
