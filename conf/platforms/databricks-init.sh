#!/bin/bash
# Installs SparkWeld on a node of a Databricks cluster with dedicated (single-user) access, as a cluster-scoped init script.
#
# Upload the wheel and this file to a volume, set SPARKWELD_WHEEL to the wheel's path in the cluster's environment variables, and
# add to the cluster's Spark configuration:   spark.plugins io.sparkweld.SparkWeldPlugin
#
# Databricks' Spark is a fork whose jars have other names, so the line is taken from the runtime's version.
set -euo pipefail

python=${SPARKWELD_PYTHON:-/databricks/python/bin/python}
jars=${SPARKWELD_JARS:-/databricks/jars}
wheel=${SPARKWELD_WHEEL:?set SPARKWELD_WHEEL to the path of the wheel}

case "${DATABRICKS_RUNTIME_VERSION:?not a Databricks node}" in
    16.*) line=3.5 ;;
    17.*) line=4.0 ;;
    18.*) line=4.1 ;;
    *) echo "SparkWeld: no line of Spark is known for runtime $DATABRICKS_RUNTIME_VERSION; nothing is installed" >&2; exit 0 ;;
esac

# the runtimes for machine learning bring a Numba, which may be too old; the others need it for the kernels
"$python" -m pip install --quiet --no-deps "$wheel"
"$python" -c 'from importlib.metadata import version as v; from sparkweld.minimums import too_old as t; assert not t({"numba": v("numba")})' 2>/dev/null ||
    "$python" -m pip install --quiet --constraint <("$python" -m pip list --format=freeze | grep -i '^numpy==') 'numba>=0.62'
jar=$("$python" -m sparkweld jar --spark "$line")
cp "$jar" "$jars/.sparkweld.jar.new"
mv "$jars/.sparkweld.jar.new" "$jars/sparkweld.jar"
