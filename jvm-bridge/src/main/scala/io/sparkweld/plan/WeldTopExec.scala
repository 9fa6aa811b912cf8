package io.sparkweld
package plan

import java.util.concurrent.atomic.AtomicLong

import scala.collection.mutable

import io.sparkweld.columns.{OffHeapBuffer, SelectedColumnVector, SelectionBuffer}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, Expression, SortOrder, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.catalyst.expressions.codegen.LazilyGeneratedOrdering
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/**
 * Drops the rows of a WeldExec that cannot be among the first `most` by `order` in their partition, or in their group of it.
 *
 * An operator of Spark's above picks the first rows; dropped rows are never converted, copied, sorted or shuffled.
 *
 * That operator may be TakeOrderedAndProject, which passes rows one by one to Guava's `Ordering.leastOf`. This node simulates
 * that with [[Leaders]], of the keys alone. It drops a row only where the simulation, and so the original, would have ignored it.
 * The original is then in the same state after each row, so its result is the same, also among rows of equal keys.
 *
 * Or it is a WindowGroupLimit of row_number, rank or dense_rank over a sort. A dropped row is strictly behind `most` rows of its
 * group, of different keys for dense_rank, so its rank is larger. The sort is stable, so the remaining rows keep their order.
 * With a single key that may be NULL the sort is not stable, and row_number is left to Spark.
 *
 * Where tasks share their thresholds, a row may also be dropped because of another task's rows: it is strictly behind as many as
 * are requested. The simulation then differs from the original, and other rows with equal keys may be taken.
 *
 * @param groups the keys of the groups; empty for the whole partition
 * @param ties which rows stay besides, because their keys equal those of others
 * @param thresholds the ids of the WeldThresholdExecs and the WorstSoFar below that receive the worst first key so far
 * @param shared whether they also receive that of other tasks: equal keys must mean equal rows, and a repeated task must have the
 * same
 */
final case class WeldTopExec(
    groups: Seq[Expression],
    order: Seq[SortOrder],
    most: Int,
    ties: Ties.Value,
    child: SparkPlan,
    thresholds: Seq[Long] = Nil,
    shared: Boolean = false)
  extends UnaryExecNode {
  override def nodeName: String = "WeldTop"
  override def output: Seq[Attribute] = child.output
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "droppedRows" -> SQLMetrics.createMetric(sparkContext, "rows pruned by the top-K bound"))

  /** Returns its description in explain. */
  def label: String = {
    val by = order.map(_.sql).mkString(", ")
    s"$most rows by $by" + (if (groups.isEmpty) "" else s" for each ${groups.map(_.sql).mkString(", ")}")
  }

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldTopExec produces columnar batches; Spark must insert ColumnarToRow above it")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (by, sorted, first, equals, given) = (groups, order, most, ties, child.output)
    val (numbers, isShared) = (thresholds, shared)
    val (outputRows, droppedRows) = (longMetric("numOutputRows"), longMetric("droppedRows"))
    child.executeColumnar().mapPartitions { batches =>
      val told = numbers.map(Threshold.of(TaskContext.get(), _))
      val others = numbers.headOption.filter(_ => isShared).map(Threshold.ofStage(TaskContext.get(), _))
      val top = new TopRows(by, sorted, first, equals, given, told, others)
      told.foreach(_.reset())
      top.tell()
      TaskContext.get().addTaskCompletionListener[Unit](_ => top.close())
      val all = new Iterator[ColumnarBatch] {
        override def hasNext: Boolean = {
          val more = batches.hasNext
          if (!more) told.foreach(_.reset()) // a task may have another partition after this one, which may be read ahead
          more
        }
        override def next(): ColumnarBatch = batches.next()
      }
      all.map { batch =>
        val kept = top.of(batch)
        outputRows += kept.numRows().toLong
        droppedRows += batch.numRows().toLong - kept.numRows()
        if (kept.numRows() == 0) CurrentSpark.closeIfFreeable(batch) // no other reader
        kept
      }.filter(_.numRows() > 0)
    }
  }
}

object Ties extends Enumeration {
  /**
   * First: no ties, because the first of rows with equal keys win. All: rows equal to the last of the first. Same: equal keys
   * count as one.
   */
  val First, All, Same = Value
}

/**
 * Selects from batches of one partition the rows that may be among the first. A batch is valid until the next one is requested.
 */
private final class TopRows(
    groups: Seq[Expression],
    order: Seq[SortOrder],
    most: Int,
    ties: Ties.Value,
    output: Seq[Attribute],
    told: Seq[Threshold],
    others: Option[AtomicLong])
  extends AutoCloseable {
  private val needed = AttributeSet(order.flatMap(_.references))
  private val places = output.indices.filter(i => needed.contains(output(i))).toArray
  private val keys = places.toSeq.map(output)
  private val ordering = new LazilyGeneratedOrdering(order, keys)
  private val keyOf = UnsafeProjection.create(keys, keys)
  private lazy val groupOf = UnsafeProjection.create(groups, output)
  private val ranks = FirstKey.of(order.head, output)
  private val whole = newLeaders()
  private val byGroup = mutable.HashMap.empty[UnsafeRow, Leaders]
  private val mostGroups = math.max(1, math.min(TopRows.MostGroups, TopRows.MostLeaders / most))
  private val selection = new SelectionBuffer
  private val selected = output.map(_ => new SelectedColumnVector(selection)).toArray
  private val shown = selected.map(column => column: ColumnVector)

  def of(batch: ColumnarBatch): ColumnarBatch = {
    val rows = batch.numRows()
    OffHeapBuffer.unaccounted(selection.ensureCapacity(rows))
    ranks.foreach(_.start(batch))
    val kept = select(batch)
    tell()
    if (kept == rows) return batch
    var j = 0
    while (j < selected.length) {
      selected(j).reset(batch.column(j), rows)
      j += 1
    }
    new ColumnarBatch(shown, kept)
  }

  /** Publishes the worst key of the whole partition, or the better one of another task. */
  def tell(): Unit = if (groups.isEmpty && told.nonEmpty) {
    val rank = others.fold(whole.rankOfWorst)(_.accumulateAndGet(whole.rankOfWorst, math.min(_, _)))
    told.foreach(_.worst = valueOf(rank))
  }

  /** Returns the first key, a double, of the last of the first rows so far; None until there are enough, and for NULL. */
  private def valueOf(rank: Long): Option[Double] = ranks.flatMap(_.doubleOf(rank))

  /** Writes the numbers of the rows that stay; returns how many. */
  private def select(batch: ColumnarBatch): Int = {
    val keyRows = new ColumnarBatch(places.map(batch.column), batch.numRows())
    var kept, row = 0
    while (row < batch.numRows()) {
      val leaders = if (groups.isEmpty) whole else leadersOf(groupOf(batch.getRow(row)))
      if (leaders == null || !isWorse(row, leaders) && stays(keyRows.getRow(row), row, leaders)) {
        selection(kept) = row
        kept += 1
      }
      row += 1
    }
    kept
  }

  private def stays(key: InternalRow, row: Int, leaders: Leaders): Boolean = {
    val compared = leaders.comparedTo(key)
    if (compared < 0) {
      leaders.add(keyOf(key).copy(), ranks.fold(0L)(_.rank(row)))
      leaders.threshold.foreach(_.worst = valueOf(leaders.rankOfWorst))
    }
    compared < 0 || ties != Ties.First && compared == 0
  }

  /** Returns the leaders of a group; null for new groups once there are too many, whose rows all stay. */
  private def leadersOf(group: UnsafeRow): Leaders = {
    val known = byGroup.getOrElse(group, null)
    if (known != null || byGroup.size >= mostGroups) known
    else {
      val (key, leaders) = (group.copy(), newLeaders())
      byGroup.put(key, leaders)
      leaders.threshold = Option.when(told.nonEmpty)(new Threshold)
      for (threshold <- told; own <- leaders.threshold) threshold.groups.put(key, own)
      leaders
    }
  }

  private def newLeaders(): Leaders = if (ties == Ties.Same) new DistinctLeaders(most, ordering) else new FirstLeaders(most, ordering)

  /** Whether the first key alone places the row behind the leaders; this decides most rows. */
  private def isWorse(row: Int, leaders: Leaders): Boolean = ranks.exists(_.rank(row) > leaders.rankOfWorst)

  override def close(): Unit = selection.close()
}

private object TopRows {
  /** Bounds the leaders of groups: their number, and the total number of keys. */
  val MostGroups: Int = 1 << 16
  val MostLeaders: Int = 1 << 21
}

/** The best keys so far. */
private abstract class Leaders {
  /** The threshold that receives a group's worst key. */
  var threshold: Option[Threshold] = None

  /** Returns the rank of the worst taken key by its first key; the largest rank while all keys are taken. */
  def rankOfWorst: Long

  /** Returns a negative number for a key that is taken, else how it compares to the worst. */
  def comparedTo(key: InternalRow): Int

  /** Takes a key for which `comparedTo` is negative. */
  def add(key: UnsafeRow, rankOfKey: Long): Unit
}

/** The first `most` different keys so far. */
private final class DistinctLeaders(most: Int, ordering: Ordering[InternalRow]) extends Leaders {
  private val keys = new java.util.TreeMap[InternalRow, Long](ordering)

  override def rankOfWorst: Long = if (keys.size < most) Long.MaxValue else keys.lastEntry.getValue

  override def comparedTo(key: InternalRow): Int = if (keys.size < most) -1 else ordering.compare(key, keys.lastKey)

  override def add(key: UnsafeRow, rankOfKey: Long): Unit = {
    keys.putIfAbsent(key, rankOfKey)
    if (keys.size > most) keys.pollLastEntry()
  }
}

/**
 * The keys of the first `most` rows so far, as in Guava's TopKSelector: up to `2 * most` keys, and `worst`, at and behind which
 * no key is taken. `worst` is the last of the first `most` keys; when the buffer is full, the best `most` keys remain and it is
 * their last.
 */
private final class FirstLeaders(most: Int, ordering: Ordering[InternalRow]) extends Leaders {
  private val keys = mutable.ArrayBuffer.empty[(UnsafeRow, Long)]
  private var worst: UnsafeRow = _
  private var rank = Long.MinValue

  override def rankOfWorst: Long = if (keys.length < most) Long.MaxValue else rank

  override def comparedTo(key: InternalRow): Int = if (keys.length < most) -1 else ordering.compare(key, worst)

  override def add(key: UnsafeRow, rankOfKey: Long): Unit = {
    if (keys.length < most && (worst == null || ordering.compare(key, worst) > 0)) isWorst(key, rankOfKey)
    keys += key -> rankOfKey
    if (keys.length == 2 * most) {
      keys.sortInPlaceBy(_._1: InternalRow)(ordering)
      keys.dropRightInPlace(most)
      (isWorst _).tupled(keys.last)
    }
  }

  private def isWorst(key: UnsafeRow, rankOfKey: Long): Unit = {
    worst = key
    rank = rankOfKey
  }
}

/** Maps the first key of rows to numbers: of two rows, the one with the larger number is strictly behind the other. */
private abstract class FirstKey(place: Int, ascending: Boolean, nullsFirst: Boolean) {
  protected var column: ColumnVector = _
  private var hasNull = false

  def start(batch: ColumnarBatch): Unit = {
    column = batch.column(place)
    hasNull = column.hasNull
  }

  /** Returns the number of a row. A NULL may share it with an extreme value: equal numbers decide nothing. */
  final def rank(row: Int): Long =
    if (hasNull && column.isNullAt(row)) { if (nullsFirst) Long.MinValue else Long.MaxValue }
    else if (ascending) number(row) else ~number(row)

  /** Returns the double of this rank; None where it is that of a NULL, or of no key. */
  final def doubleOf(rank: Long): Option[Double] =
    Option.when(rank != Long.MinValue && rank != Long.MaxValue)(FirstKey.valueOf(if (ascending) rank else ~rank))

  /** Returns a number that grows with the value at `row`, in Spark's order. */
  protected def number(row: Int): Long
}

private object FirstKey {
  import org.apache.spark.sql.catalyst.expressions.{Ascending, NullsFirst}
  import org.apache.spark.sql.types._

  /** Returns None for an expression, or a type, whose order no number represents. */
  def of(first: SortOrder, output: Seq[Attribute]): Option[FirstKey] = {
    val place = output.indexWhere(_.semanticEquals(first.child))
    val (up, nulls) = (first.direction == Ascending, first.nullOrdering == NullsFirst)
    if (place < 0) None
    else first.dataType match {
      case DoubleType => Some(new FirstKey(place, up, nulls) {
        override protected def number(row: Int): Long = ordered(column.getDouble(row))
      })
      case FloatType => Some(new FirstKey(place, up, nulls) {
        override protected def number(row: Int): Long = ordered(column.getFloat(row).toDouble)
      })
      case IntegerType | DateType => Some(new FirstKey(place, up, nulls) {
        override protected def number(row: Int): Long = column.getInt(row).toLong
      })
      case LongType | TimestampType | TimestampNTZType => Some(new FirstKey(place, up, nulls) {
        override protected def number(row: Int): Long = column.getLong(row)
      })
      case _ => None
    }
  }

  /** Maps doubles to ordered numbers: -0.0 equals 0.0, and every NaN is the largest. */
  private def ordered(value: Double): Long = {
    val bits = java.lang.Double.doubleToLongBits(value + 0.0)
    bits ^ (bits >> 63) & Long.MaxValue
  }

  /** Inverts `ordered`. */
  private def valueOf(number: Long): Double = java.lang.Double.longBitsToDouble(number ^ (number >> 63) & Long.MaxValue)
}
