"""Embeddings of fixed texts over the OpenAI HTTP API."""

from paceline.adapters.quality.embeddings.reader import OpenAiEmbeddings

__all__ = ["OpenAiEmbeddings"]
