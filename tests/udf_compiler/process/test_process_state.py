"""Checks that changes of user code to the compile service's process are detected, refused and reverted."""

from __future__ import annotations

from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.udf_compiler.function.test_modules import STEP, codes, constants, names, write
from tests.udf_compiler.function.test_modules import asked as asked_of
from tests.udf_compiler.function.test_modules import service as service  # a fixture

#: State that affects a worker's results, as the import of a module changes it, and the name in the message.
CHANGES = {
    "np.seterr(all='raise')": "np.seterr",
    "import warnings; warnings.simplefilter('error')": "warnings to errors",
    "pd.set_option('mode.use_inf_as_na', True)": "pandas options",
    "np.set_printoptions(legacy='1.13')": "np.set_printoptions(legacy=...)",
    "import os, time; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()": "the time zone",
    "import sys; sys.setrecursionlimit(300)": "sys.setrecursionlimit",
    "import math; math.floor = len": "math.floor",
    "import builtins; builtins.round = lambda v, n=0: 42.0": "builtins.round",
    "import builtins; builtins.len = lambda v: 42": "builtins.len",
    "np.sqrt = np.cbrt": "numpy.sqrt",
    "pd.Series.abs = lambda self: self * 0 + 42": "Series.abs",
    "pd.Series.fillna = None": "Series.fillna",
    "from pandas.core.strings.accessor import StringMethods; StringMethods.upper = StringMethods.lower": "StringMethods.upper",
}
HARMLESS = [
    "np.seterr(all='ignore')", "import warnings; warnings.filterwarnings('ignore')", "pd.set_option('display.max_columns', 5)",
    "np.set_printoptions(precision=2)", "import sys; sys.setrecursionlimit(10_000)", "pd.Series.my_own = lambda self: self",
    "pd.api.extensions.register_series_accessor('mine')(type('Mine', (), {'__init__': lambda self, s: None}))",
]  # fmt: skip
HEAD = "import numpy as np\nimport pandas as pd\n"
BODY = "\ndef f(s): return s * 3.0\n"


def test_modules_that_change_the_process(service, tmp_path):
    """This holds on repeated requests too; functions of other modules still compile."""
    modules = {f"changing{at}": f"{HEAD}{change}{BODY}" for at, change in enumerate(CHANGES)}
    folder = write(tmp_path / "folder", **modules, importing="import changing0\nf = changing0.f", other=HEAD + BODY)
    child = service(SPARKWELD_WORKER_PATH=str(folder))
    for module, what in [*zip(modules, CHANGES.values(), strict=True), ("changing0", "np.seterr"), ("importing", "np.seterr")]:
        reply = asked_of(child, module)
        assert codes(reply) == ["SW227"], (module, what, reply)
        assert what in reply["refusals"][0]["message"]
        assert any(name.startswith("changing") for name in names(reply))
        assert constants(asked_of(child, "other")) == {"3.0"}
    write(folder, changing0=HEAD + BODY)
    assert constants(asked_of(child, "changing0")) == {"3.0"}


def test_changes_that_decide_no_result(service, tmp_path):
    folder = write(tmp_path / "folder", harmless=HEAD + "\n".join(HARMLESS) + BODY)
    assert constants(asked_of(service(SPARKWELD_WORKER_PATH=str(folder)), "harmless")) == {"3.0"}


def test_a_pickle_that_changes_the_process(service):
    class Raising:
        def __reduce__(self):
            return eval, ("__import__('numpy').seterr(all='raise') and 3.0",)

    held, child = Raising(), service()
    header = request(python_step(r=udf(0, "a")))
    for _ in range(2):
        assert codes(child.ask([payload(lambda s: s * held)], **header).header) == ["SW227"]
    assert child.ask([payload(lambda s: s * 3.0)], **request(STEP)).header["status"] == "ok"


def test_a_pickle_that_reads_the_environment(service):
    """Classes of ``__main__`` are pickled with their methods."""

    class Configured:
        def __setstate__(self, state):
            import os

            self.factor = float(os.environ.get("GIVEN", "2")) + float(os.getenv(state["name"], "3"))

        def __getstate__(self):
            return {"name": self.name}

    def reply(child, name):
        held = Configured()
        held.name = name
        return child.ask([payload(lambda s: s * held.factor)], **request(STEP)).header

    child = service(SPARKWELD_WITHHELD="HIDDEN", SPARKWELD_JOB_VARIABLES="GIVEN", GIVEN="5")
    for _ in range(2):
        assert codes(reply(child, "HIDDEN")) == ["SW209"]
    assert constants(reply(child, "GIVEN")) == {"10.0"}


def test_warnings_that_are_errors_in_workers(service):
    """NumPy warns about the logarithm of a negative number."""
    for option, expected in (("error::RuntimeWarning", ["SW227"]), ("ignore,err", ["SW227"]), ("default", "ok")):
        reply = service(PYTHONWARNINGS=option).ask([payload(lambda s: s * 3.0)], **request(STEP)).header
        assert codes(reply) == expected, option
