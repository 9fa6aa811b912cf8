#!/bin/sh
# Installs a SparkWeld wheel into the Python of Spark's workers, and its jar into Spark's jars, on this machine.
#
#   install.sh WHEEL [PYTHON [SPARK_HOME [LINE]]]   for Spark standalone: run it on the driver's machine and on each worker
#
# LINE, such as 4.0, is for a Spark whose jars do not name their version; otherwise the line is that of SPARK_HOME.
# It changes no setting: a job, or spark-defaults.conf, turns the plugin on with
# spark.plugins=io.sparkweld.SparkWeldPlugin. A second run with the same wheel changes nothing.
set -eu

wheel=${1:?usage: install.sh WHEEL [PYTHON [SPARK_HOME [LINE]]]}
python=${2:-python3}
spark_home=${3:-${SPARK_HOME:-}}
line=${4:-}

# Only the wheel and Numba, which compiles the kernels and may be there, but too old. pip must not replace the pyspark, pandas or
# NumPy of the cluster. `doctor` reports what is missing or too old.
"$python" -m pip install --quiet --no-deps "$wheel"
"$python" -c 'from importlib.metadata import version as v; from sparkweld.minimums import too_old as t; assert not t({"numba": v("numba")})' 2>/dev/null || {
    kept=$(mktemp)
    "$python" -m pip list --format=freeze | grep -i '^numpy==' >"$kept" || true
    "$python" -m pip install --quiet --constraint "$kept" 'numba>=0.62'
    rm "$kept"
}
if [ "$line" ]; then
    jar=$("$python" -m sparkweld jar --spark "$line")
    cp "$jar" "$spark_home/jars/.sparkweld.jar.new"
    mv "$spark_home/jars/.sparkweld.jar.new" "$spark_home/jars/sparkweld.jar"
    exit
fi
"$python" -m sparkweld install ${spark_home:+--spark-home "$spark_home"}
