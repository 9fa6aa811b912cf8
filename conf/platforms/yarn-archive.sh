#!/bin/sh
# Packs a Python environment with SparkWeld for YARN's --archives, and prints how to submit a job with it.
#
#   yarn-archive.sh WHEEL [PYTHON [ARCHIVE]]    PYTHON: the interpreter that also exists on the cluster's machines
#
# Nothing is installed on the cluster: YARN sends the archive and the jar to each container. Run it where spark-submit is, with
# SPARK_HOME set.
set -eu

wheel=${1:?usage: yarn-archive.sh WHEEL [PYTHON [ARCHIVE]]}
python=${2:-python3}
archive=${3:-sparkweld-environment.tar.gz}
: "${SPARK_HOME:?set SPARK_HOME to the Spark that submits the job}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/environment"
# pandas and pyarrow for PySpark's workers; scikit-learn and other libraries as the jobs need them
"$folder/environment/bin/pip" install --quiet --no-deps "$wheel"
"$folder/environment/bin/pip" install --quiet numba 'pandas<3' pyarrow scikit-learn venv-pack ${SPARKWELD_EXTRA_PACKAGES:-}
cp "$("$folder/environment/bin/python" -m sparkweld jar)" "$(dirname "$archive")/sparkweld.jar"
"$folder/environment/bin/venv-pack" --quiet --force --prefix "$folder/environment" --output "$archive"
echo "spark-submit --master yarn --archives $archive#environment --jars $(dirname "$archive")/sparkweld.jar \\"
echo "  --conf spark.pyspark.python=./environment/bin/python --conf spark.plugins=io.sparkweld.SparkWeldPlugin JOB.py"
