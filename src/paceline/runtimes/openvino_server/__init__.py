"""OpenAI-compatible server around OpenVINO GenAI's continuous batching pipeline.

Runs inside the OpenVINO engine's own environment (`python -m openvino_server`, with the folder
above this one on PYTHONPATH) and imports nothing else of Paceline.
Not covered: images, tools, embeddings, TLS, keys. The gateway stands in front of it for those.
"""
