"""Compiles the native part into the wheel, which is then one for this machine's Python and processor."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativePart(BuildHookInterface[BuilderConfig]):
    """Named in pyproject.toml. Without a compiler the wheel has no native part, and the build says so."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is written; an editable install has the module of its checkout."""
        if version == "editable":
            return
        if self.root not in sys.path:  # hatchling loads a hook by its path
            sys.path.insert(0, self.root)
        compiler = import_module("deploy.native.compiler")
        self._place = tempfile.TemporaryDirectory(prefix="lockstep-native-")
        made = compiler.compiled(Path(self._place.name))
        if made is None:
            self.app.display_warning(f"{compiler.WITHOUT}; {compiler.CURE}")
            return
        build_data["force_include"][str(made)] = f"streams/native/{made.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """After it."""
        if version != "editable":
            self._place.cleanup()
