#!/bin/bash
# Installs SparkWeld on a node of a Google Dataproc cluster, as an initialization action.
#
#   gcloud dataproc clusters create NAME ... --initialization-actions gs://BUCKET/dataproc-init.sh \
#     --metadata sparkweld-wheel=gs://BUCKET/sparkweld-....whl \
#     --properties spark:spark.plugins=io.sparkweld.SparkWeldPlugin
#
# Put install.sh beside the wheel in the bucket.
set -euo pipefail

python=${SPARKWELD_PYTHON:-/opt/conda/default/bin/python}
spark_home=${SPARK_HOME:-/usr/lib/spark}
wheel=${SPARKWELD_WHEEL_URL:-$(/usr/share/google/get_metadata_value attributes/sparkweld-wheel)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gcloud storage cp "$wheel" "${wheel%/*}/install.sh" "$folder/"
sh "$folder/install.sh" "$folder/$(basename "$wheel")" "$python" "$spark_home"
