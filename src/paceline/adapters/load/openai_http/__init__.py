"""Load over the OpenAI HTTP API: a client that lets the kernel take the time of every byte."""

from paceline.adapters.load.openai_http.client import OpenAiHttp

__all__ = ["OpenAiHttp"]
