"""Text generation with OpenVINO GenAI's continuous batching pipeline behind the OpenAI API.

Runs inside the OpenVINO engine's own environment: `python run.py openvino_server …`.
"""
