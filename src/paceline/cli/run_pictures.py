"""The pictures of a run's page: a row per prompt, baseline and winner side by side."""

from collections.abc import Sequence
from html import escape

from paceline.app.image_samples import Picture, Sample
from paceline.cli.html import section


def pictures_section(samples: Sequence[Sample]) -> str:
    """Empty without samples. The pictures are inside the page, as they came from the server."""
    if not samples:
        return ""
    cells = "".join(
        f'<div class="card"><b>{escape(sample.prompt)}</b><div class="pictures">'
        f"{''.join(_figure(picture) for picture in sample.pictures)}</div></div>"
        for sample in samples
    )
    return section("Pictures", f'<div class="charts">{cells}</div>')


def _figure(picture: Picture) -> str:
    like = "" if picture.likeness is None else f", SSIM {picture.likeness:.3f}"
    if picture.latent_likeness is not None:
        like += f", of latents {picture.latent_likeness:.3f}"
    return (
        f'<figure><img alt="" src="{picture.uri}">'
        f'<figcaption class="soft">{escape(picture.variant)}{like}</figcaption></figure>'
    )
