"""Receipts and samples as files of a folder."""

from paceline.adapters.archives.folder.archive import FolderArchive

__all__ = ["FolderArchive"]
