package io.sparkweld
package plan

import io.sparkweld.columns.{RegroupedBatches, RowColumns}
import io.sparkweld.spark.{CurrentSpark, PythonCall}

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Computes where Spark ends an Arrow batch of the rows that it feeds to a node of Python functions.
 *
 * It ends before a row when the batch has `rows` rows, or when the columns that it sends take `bytes` bytes or more.
 *
 * @param sent the columns that Spark sends, over the node's input
 * @param inStruct whether they are the fields of one struct
 */
final case class BatchLimits(rows: Int, bytes: Long, sent: Seq[Expression], inStruct: Boolean, largeStrings: Boolean, zone: String) {

  /** Whether the size of a batch depends on its values, not only on their number. */
  def byValues: Boolean = bytes < Int.MaxValue && !sent.forall(column => BatchLimits.isFixed(column.dataType))

  /** Whether Spark ends batches of the same rows at the same rows for another node. */
  def isLike(other: BatchLimits): Boolean = most == other.most && !byValues && !other.byValues

  /** Whether strings are the only columns whose values matter. */
  def byStrings: Boolean = byValues && sent.forall(column => BatchLimits.isFixed(column.dataType) || BatchLimits.isString(column.dataType))

  /** Returns the columns of `input` whose strings end a batch, and the limit; None where other values do, or none. */
  def strings(input: Seq[Attribute]): Option[RegroupedBatches.Strings] = {
    val columns = sent.filterNot(column => BatchLimits.isFixed(column.dataType)).map {
      case column: Attribute if column.dataType == StringType => input.indexWhere(_.exprId == column.exprId)
      case _ => -1
    }
    val (bounds, size) = (bytes, sizeOf _)
    Option.when(byStrings && columns.forall(_ >= 0))(RegroupedBatches.Strings(columns.toArray, rows => bounds - size(rows)))
  }

  /** The most rows of a batch, reached when no value is long. */
  lazy val most: Int =
    if (bytes >= Int.MaxValue) rows
    else {
      var (low, high) = (1, rows) // binary search: sizeOf grows with the number of rows
      while (low < high) {
        val middle = low + (high - low) / 2
        if (sizeOf(middle) >= bytes) high = middle else low = middle + 1
      }
      low
    }

  /** Returns the bytes of the Arrow columns of `n` rows, as Arrow counts them, without those of strings and of nested columns. */
  def sizeOf(n: Int): Long = {
    val validity = (n + 7L) / 8
    val columns = sent.map(_.dataType).map {
      case BooleanType => 2 * validity
      case fixed if BatchLimits.isFixed(fixed) => validity + n.toLong * BatchLimits.width(fixed)
      case text if BatchLimits.isString(text) => validity + (n + 1L) * (if (largeStrings) 8 else 4)
      case _ => 0L
    }
    columns.sum + (if (inStruct) validity else 0)
  }
}

object BatchLimits {
  /** Batches of this many rows are not regrouped. */
  val TooMany: Int = 1 << 20

  /** Returns the limits of a node to which Spark feeds rows. */
  def of(node: SparkPlan, conf: SQLConf): BatchLimits = {
    val (sent, inStruct) = Step.of(node) match {
      case Some(PythonStep(udfs, _, _, _)) => (new PythonCall(udfs).arguments, false)
      case _ => (node.children.flatMap(_.output), true)
    }
    val rows = if (conf.arrowMaxRecordsPerBatch > 0) conf.arrowMaxRecordsPerBatch else Int.MaxValue
    BatchLimits(rows, CurrentSpark.arrowBytesPerBatch(conf), sent, inStruct, conf.arrowUseLargeVarTypes, conf.sessionLocalTimeZone)
  }

  private[plan] def isFixed(dataType: DataType): Boolean = width(dataType) > 0

  private[plan] def isString(dataType: DataType): Boolean = dataType match {
    case _: StringType | BinaryType => true
    case _ => false
  }

  /** Returns the bytes of one value in Arrow; 0 without a fixed width. */
  private[plan] def width(dataType: DataType): Int = dataType match {
    case BooleanType | ByteType => 1
    case ShortType => 2
    case IntegerType | FloatType | DateType => 4
    case LongType | DoubleType | TimestampType | TimestampNTZType => 8
    case _ => 0
  }
}

/** Counts the rows and bytes of the batch that Spark would make of rows of `input`. Serves one task. */
private[plan] final class BatchMeter(limits: BatchLimits, input: Seq[Attribute]) extends AutoCloseable {
  private lazy val project = UnsafeProjection.create(limits.sent, input)
  private val strings = limits.sent.indices.filter(i => BatchLimits.isString(limits.sent(i).dataType)).toArray
  private val writer = Option.when(limits.byValues && !limits.byStrings) {
    CurrentSpark.arrowSize(limits.sent.map(_.dataType), limits.inStruct, limits.zone, limits.largeStrings)
  }
  private var rows = 0
  private var stringBytes = 0L

  /** Fills a batch up to the row before which Spark would end it. */
  def fill(columns: RowColumns, from: Iterator[InternalRow]): ColumnarBatch = {
    rows = 0
    stringBytes = 0
    writer.foreach(_.reset())
    columns.fill(from, isFullWith _)
  }

  /** Whether Spark would end the batch after this row. */
  private def isFullWith(row: InternalRow): Boolean = {
    rows += 1
    val bytes = if (limits.byStrings) sizeWith(project(row)) else writer.fold(0L)(_.add(project(row)))
    rows >= limits.most || bytes >= limits.bytes
  }

  private def sizeWith(row: UnsafeRow): Long = {
    strings.foreach(i => if (!row.isNullAt(i)) stringBytes += row.getLong(i).toInt) // an UnsafeRow has the size in the low half
    limits.sizeOf(rows) + stringBytes
  }

  override def close(): Unit = writer.foreach(_.close())
}
