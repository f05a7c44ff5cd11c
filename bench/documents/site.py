"""What MkDocs calls to add what is generated, or kept elsewhere, to the site."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from bitknap.bench.documents.instance_pages import instance_pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The site's files with a page for each shipped instance, and the script of the tables."""
    script = resources.files("bitknap.bench.report").joinpath("tables.js")
    files.append(File.generated(config, "tables.js", content=script.read_bytes()))
    for path, text in instance_pages(Path(config.docs_dir) / "results").items():
        files.append(File.generated(config, path, content=text))
    return files
