"""Writes small text-to-image pipelines with random weights: the real classes, tiny shapes.

Runs inside the Diffusers engine's environment: `python run.py image_synth tiny-flux OUT`. Nothing
is downloaded; the tokenizers are made on the spot and know single characters. The pictures mean
nothing.
"""
