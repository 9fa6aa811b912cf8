"""Measures UDFs with a sentence encoder that is declared row-local, with the plugin off and on, in CPU time.

    make bench BENCH=encoder   (or: python tests/bench/bench_encoder.py [--cases TEXT] [--repeats N] [--json FILE])

The encoder is WordLlama, which is installed once in build/encoder, without its dependencies. Two JVMs with equal settings, one
with the flag and one without, read the same Parquet and write to the noop sink. All rows are compared first. Tokenizers run on
one thread in both. The target is 1.5 where half of the rows repeat. No line may be below 0.95.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cpu_side_by_side import LEAST, Line, run

_FOLDER = Path(__file__).resolve().parents[2] / "build" / "encoder"
_PACKAGES = ("wordllama==0.4.0.post1", "tokenizers>=0.20", "safetensors>=0.4", "toml")
_TARGET = 1.5


def main() -> int:
    install()
    from encoder_cases import CASES, prepare_table

    return run(__doc__, "encoder_cases", CASES, prepare_table, print_lines, repeats=3, warm_ups=1)


def install() -> None:
    """Installs the encoder in a folder of its own, which this process, the sessions and their workers then import from."""
    if not (_FOLDER / "wordllama").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(_FOLDER), *_PACKAGES]
        subprocess.run(pip, check=True)
    sys.path.append(str(_FOLDER))
    paths = [str(_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(PYTHONPATH=os.pathsep.join(paths), TOKENIZERS_PARALLELISM="false")


def print_lines(lines: list[Line]) -> bool:
    """Prints the Markdown table; returns whether the lines with repeated rows of the encoder meet the target."""
    print("CPU seconds of all processes per sample, medians\n")
    print("| case | rows | off | on | off / on | target | verdict |\n|---|---:|---:|---:|---:|---:|---|")
    good = True
    for line in lines:
        target = _TARGET if line.case.startswith("encoder") and "half" in line.case else LEAST
        verdict = line.problem or ("PASS" if line.ratio >= target else "FAIL")
        good &= verdict == "PASS"
        print(f"| {line.case} | {line.rows:,} | {line.median('off'):.2f} s | {line.median('on'):.2f} s | {line.ratio:.2f} | "
              f"{target:g} | {verdict} |")  # fmt: skip
    return good


if __name__ == "__main__":
    sys.exit(main())
