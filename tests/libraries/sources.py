"""Adds the fingerprints of the model classes of the installed libraries to those of the tested versions.

    python -m tests.libraries.sources

Run it in each environment that `python -m tests.libraries` found without a wrong row.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from udf_compiler.frontends.models import tested_versions
from udf_compiler.frontends.models.estimators import ESTIMATORS, followed_methods
from udf_compiler.frontends.models.source_fingerprint import fingerprint, loaded, of_names
from udf_compiler.frontends.models.tested_versions import LIBRARIES
from udf_compiler.frontends.torch.modules import CONTAINERS, LAYERS

FILE = Path(tested_versions.__file__).with_name("tested_sources.json")


def installed() -> dict[str, str]:
    """Returns the fingerprint of each class that the installed libraries have."""
    found = {}
    for qualified in (*ESTIMATORS, *LAYERS, *CONTAINERS):
        module, _, name = qualified.rpartition(".")
        if module.partition(".")[0] not in LIBRARIES:
            continue
        try:
            kind = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
        if own := of_names(kind, ("forward",) if qualified.startswith("torch.") else followed_methods(qualified)):
            found[qualified] = fingerprint(kind, own)
    return found


def main() -> int:
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    for qualified, one in installed().items():
        known[qualified] = sorted({*known.get(qualified, ()), one})
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=0) + "\n")
    print({root: loaded(root) for root in LIBRARIES if root in sys.modules}, sum(map(len, known.values())), "fingerprints")
    return 0


if __name__ == "__main__":
    sys.exit(main())
