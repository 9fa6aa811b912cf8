#!/bin/bash
# Installs SparkWeld on a node of a Databricks cluster with dedicated (single-user) access, as a cluster-scoped init script.
#
# Upload the wheel, install.sh and this file to one folder of a volume, set SPARKWELD_WHEEL to the wheel's path in the cluster's
# environment variables, and add to the cluster's Spark configuration:   spark.plugins io.sparkweld.SparkWeldPlugin
#
# Databricks' Spark is a fork whose jars have other names, so the line is taken from the runtime's version.
set -euo pipefail

python=${SPARKWELD_PYTHON:-/databricks/python/bin/python}
home=${SPARKWELD_DATABRICKS:-/databricks}
wheel=${SPARKWELD_WHEEL:?set SPARKWELD_WHEEL to the path of the wheel}

case "${DATABRICKS_RUNTIME_VERSION:?not a Databricks node}" in
    16.*) line=3.5 ;;
    17.*) line=4.0 ;;
    18.*) line=4.1 ;;
    *) echo "SparkWeld: no line of Spark is known for runtime $DATABRICKS_RUNTIME_VERSION; nothing is installed" >&2; exit 0 ;;
esac

sh "$(dirname "$wheel")/install.sh" "$wheel" "$python" "$home" "$line"
