package io.sparkweld
package plan

import scala.jdk.CollectionConverters._

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.{GroupTable, InputColumn}
import io.sparkweld.compile.{FormKey, FormUnavailable, Lease, LinkedForm}
import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.{CurrentSpark, PartialAggregate}
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.vectorized.{OnHeapColumnVector, WritableColumnVector}
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.vectorized.ColumnarBatch

/** The plan of a WeldAggregateExec's tasks, sent by the driver. `own`: Spark's own aggregation of the same rows. */
final case class MergeTaskPlan(merge: MergePlan, own: PartialAggregate, schema: StructType, metrics: MergeMetrics)

final case class MergeMetrics(
    outputRows: SQLMetric,
    mergedBatches: SQLMetric,
    blockRows: SQLMetric,
    mergeTime: SQLMetric,
    fullTables: SQLMetric,
    sparkTasks: SQLMetric) extends Serializable

/**
 * Merges the rows of one partition into groups.
 *
 * When the table is full, its groups are returned as a batch. When that happens so soon that merging gains little, or no kernel
 * can run here, Spark's own aggregation handles the rest of the partition. An output batch is valid until the next one is
 * requested.
 *
 * @param below returns the batches, and may merge rows block by block instead
 */
final class MergeTask(
    plan: MergeTaskPlan,
    below: BlockMerge => Iterator[ColumnarBatch],
    partition: Int,
    context: TaskContext)
  extends Iterator[ColumnarBatch] {

  private val merge = plan.merge
  private lazy val inputs = {
    bound = true
    merge.inputTypes.map(InputColumn.of(_, nullable = true))
  }
  private lazy val table = {
    val made = new GroupTable(merge.outputTypes, merge.keys)
    opened = true
    made
  }
  private lazy val lease: Option[Lease[LinkedForm]] = {
    leased = true
    acquire()
  }
  private var leased = false
  private var opened = false
  private var bound = false
  private val blocks = new BlockMerge(merge, table, lease, plan.metrics)
  private val input = below(blocks)
  private var current: ColumnarBatch = _
  private var merged = 0 // rows of `current`
  private var ready: Option[ColumnarBatch] = None
  private var rest: Option[Iterator[ColumnarBatch]] = None
  private var finished = false
  private var vectors: Array[WritableColumnVector] = Array.empty

  context.addTaskCompletionListener[Unit](_ => close())

  override def hasNext: Boolean = {
    while (ready.isEmpty && !finished) advance()
    ready.isDefined
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    val batch = ready.get
    ready = None
    plan.metrics.outputRows += batch.numRows().toLong
    batch
  }

  private def advance(): Unit = {
    CurrentSpark.killTaskIfInterrupted(context)
    rest match {
      case Some(batches) => if (batches.hasNext) ready = Some(batches.next()) else finished = true
      case None =>
        if (current != null && merged < current.numRows()) whileRoom(goOn())
        else {
          if (current != null) CurrentSpark.closeIfFreeable(current) // as ColumnarToRow does once a batch is read
          current = null
          if (input.hasNext) start(input.next()) else finish()
        }
    }
  }

  private def start(batch: ColumnarBatch): Unit = {
    current = batch
    merged = math.min(blocks.pending, batch.numRows())
    blocks.pending -= merged
    if (lease.isEmpty) takeOver(0)
    else if (batch.numRows() > merged) whileRoom {
      inputs.indices.foreach(i => inputs(i).bind(batch.column(merge.ordinals(i)), batch.numRows()))
      plan.metrics.mergedBatches += 1
      goOn()
    }
  }

  /** Runs `body`; without memory for the rows or the groups, Spark continues from the row where this stopped. */
  private def whileRoom(body: => Unit): Unit =
    try body
    catch {
      case full: NoMemory =>
        val refusal = Refusal("SW341", "reason" -> full.getMessage)
        WarnOnce("memory:groups", s"SparkWeld: Spark aggregates rows of stage ${context.stageId()} itself. ${refusal.text}")
        if (opened && table.groups > 0) ready = Some(table.take())
        takeOver(merged)
    }

  /** Merges the remaining rows of `current`, until the table is full. */
  private def goOn(): Unit = {
    val started = System.nanoTime()
    val form = lease.get.value
    val flagged = table.merge(form.kernel, form.inputs.map(inputs(_)), current.numRows(), merged)
    merged = table.mergedRows
    plan.metrics.mergeTime += System.nanoTime() - started
    if (flagged) overflow()
    else if (merged < current.numRows()) {
      plan.metrics.fullTables += 1
      val gains = table.rows >= MergeTask.RowsAGroup * table.groups
      ready = Some(table.take())
      if (!gains) takeOver(merged)
    }
  }

  private def finish(): Unit = {
    finished = true
    if (opened && table.groups > 0) ready = Some(table.take())
    else if (merge.keys == 0) ready = Some(pack(plan.own.aggregate(partition, Iterator.empty)).next()) // one row for no rows
  }

  /** Raises Spark's error for the row at which the kernel stopped, where a sum overflows. */
  private def overflow(): Unit = {
    plan.own.update(table.overflowed, current.getRow(merged))
    throw new IllegalStateException("a sum that overflows in a kernel and not in Spark")
  }

  /** Passes the rest of the partition, from this row of `current`, to Spark's own aggregation. */
  private def takeOver(from: Int): Unit = {
    plan.metrics.sparkTasks += 1
    blocks.stop()
    val first = current.rowIterator().asScala.drop(from)
    rest = Some(pack(plan.own.aggregate(partition, first ++ input.flatMap(_.rowIterator().asScala))))
  }

  private def pack(rows: Iterator[InternalRow]): Iterator[ColumnarBatch] = {
    vectors = OnHeapColumnVector.allocateColumns(Fallback.BatchRows, plan.schema).toArray
    new Iterator[ColumnarBatch] {
      override def hasNext: Boolean = rows.hasNext
      override def next(): ColumnarBatch = {
        vectors.foreach(_.reset())
        var count = 0
        while (count < Fallback.BatchRows && rows.hasNext) { // each row overwrites the one before it
          plan.own.converter.convert(rows.next(), vectors)
          count += 1
        }
        new ColumnarBatch(vectors.toArray, count)
      }
    }
  }

  private def acquire(): Option[Lease[LinkedForm]] =
    if (!WeldTask.linkable()) None
    else try Some(SparkWeldRuntime.kernels.acquire(FormKey(merge.requestKey, Set.empty), merge.origin))
    catch {
      case unavailable: FormUnavailable =>
        WarnOnce(s"merge:${unavailable.refusal.code}:${unavailable.refusal.message}",
          s"SparkWeld: Spark aggregates the rows of stage ${context.stageId()} itself. ${unavailable.refusal.text}")
        None
    }

  private def close(): Unit = {
    blocks.close()
    if (leased) lease.foreach(_.close())
    if (bound) inputs.foreach(_.close())
    if (opened) table.close()
    vectors.foreach(_.close())
  }
}

private object MergeTask {
  /** Rows that a full table must have merged into each of its groups for merging to continue. */
  private val RowsAGroup = 4
}
