package io.sparkweld
package plan

import io.sparkweld.support.Mode

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * The plan of a WeldExec's tasks, sent by the driver. `ahead`: a batch stays valid while the next ones are requested.
 * `keepsBatches`: each output batch corresponds to one of the input, row for row. `groups`: each batch is a whole group. `race`: the round in which the kernel is timed
 * against Python, if it is. `models`: the constants that kernels read, by digest.
 */
final case class TaskPlan(
    kernel: KernelPlan,
    fallback: FallbackPlan,
    streamAfter: Int,
    ahead: Boolean,
    keepsBatches: Boolean,
    groups: Boolean,
    maxStringBytes: Long,
    cacheMode: Mode.Value,
    shadow: ShadowPlan,
    drifts: Seq[Drift],
    race: Option[Int],
    models: Map[String, Broadcast[Array[Byte]]],
    metrics: WeldMetrics)

final case class WeldMetrics(
    outputRows: SQLMetric,
    outputBatches: SQLMetric,
    kernelBatches: SQLMetric,
    kernelTime: SQLMetric,
    compileTime: SQLMetric,
    cacheRows: RareMetric,
    cachedRows: RareMetric,
    stringLookups: RareMetric,
    stringHits: RareMetric,
    shadowRows: RareMetric,
    shadowDifferences: RareMetric,
    watchedRows: RareMetric,
    unsureRows: RareMetric,
    guardedRows: RareMetric,
    deoptimisedBatches: RareMetric,
    otherRows: RareMetric) extends Serializable
