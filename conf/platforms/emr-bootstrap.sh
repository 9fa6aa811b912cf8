#!/bin/bash
# Installs SparkWeld on a node of an Amazon EMR cluster, as a bootstrap action with the wheel's address as its argument.
#
#   aws emr create-cluster ... --configurations file://emr-configurations.json \
#     --bootstrap-actions Path=s3://BUCKET/emr-bootstrap.sh,Args=[s3://BUCKET/sparkweld-....whl]
#
# EMR runs bootstrap actions before it installs Spark. So a background process waits for Spark's jars and adds the plugin's jar.
# Put install.sh beside the wheel in the bucket.
set -euo pipefail

wheel=${1:?usage: emr-bootstrap.sh s3://BUCKET/sparkweld-....whl}
python=${SPARKWELD_PYTHON:-/usr/bin/python3.11}
spark_home=${SPARK_HOME:-/usr/lib/spark}
folder=${SPARKWELD_FOLDER:-/opt/sparkweld}
as_root=${SPARKWELD_SUDO-sudo}

$as_root mkdir -p "$folder"
$as_root aws s3 cp --quiet "$wheel" "$folder/"
$as_root aws s3 cp --quiet "${wheel%/*}/install.sh" "$folder/"

wait_and_install() {
    # half an hour: EMR gives up on a node earlier
    for _ in $(seq 360); do
        if compgen -G "$spark_home/jars/spark-core_*.jar" >/dev/null; then
            $as_root sh "$folder/install.sh" "$folder/$(basename "$wheel")" "$python" "$spark_home"
            return
        fi
        sleep 5
    done
    echo "no Spark in $spark_home after 30 minutes: SparkWeld is not installed" >&2
    return 1
}
# EMR waits for whoever holds the output of this script
wait_and_install 2>&1 | $as_root tee "$folder/install.log" >/dev/null 2>&1 &
