"""Pictures from text with a Diffusers pipeline behind OpenAI's images route.

Runs inside the Diffusers engine's own environment: `python run.py image_server …`.
Not covered: editing, variations, image input, several models in one process, TLS, keys.
"""
