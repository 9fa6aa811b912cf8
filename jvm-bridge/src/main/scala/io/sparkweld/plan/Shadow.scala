package io.sparkweld
package plan

import scala.util.control.NonFatal

import io.sparkweld.contract.Constants
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.util.{ArrayData, MapData}
import org.apache.spark.sql.types.{ArrayType, DataType, MapType, StructType}
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/**
 * The comparison settings of a task. `fraction`: the share of its batches. `approximate`: the program has approximate results
 * (documented error bound); `single`: they have the precision of 32-bit floats. `full`: the original chain with full models in
 * place of cascades.
 */
final case class ShadowPlan(fraction: Double, approximate: Boolean, single: Boolean, udfs: String, full: Option[FallbackPlan])

/**
 * Runs some batches of a task through the original chain too, and compares each row of the results with the kernel's.
 *
 * The batches are chosen by their numbers and the partition's, the same in each run. A difference turns the kernel off. Serves
 * one task.
 */
private final class Shadow(plan: TaskPlan, partition: Int) {
  private val shadow = plan.shadow
  private val columns = plan.fallback.output.map(a => Fallback.stored(a.dataType)).toArray
  private val names = plan.fallback.output.map(_.name)
  private var seen = (partition * Shadow.Golden % 1.0) / math.max(shadow.fraction, 1e-9) // so that partitions start differently
  private var taken = math.floor(seen * shadow.fraction)
  private var able = shadow.fraction > 0

  /** Whether the next batch is in the sample. */
  def picks(): Boolean = able && {
    seen += 1
    val due = math.floor(seen * shadow.fraction) > taken
    if (due) taken += 1
    due
  }

  /**
   * Returns the original chain's result for the batch of `made` when it differs, and turns the kernel off. Rows whose flag is
   * NULL are not compared. Throws the error of a UDF, as the query without a kernel would.
   */
  def otherwise(made: ColumnarBatch, flags: Option[ColumnVector])(original: => ColumnarBatch): Option[ColumnarBatch] =
    try {
      val expected = original
      plan.metrics.shadowRows += made.numRows().toLong
      difference(made, expected, flags).map { what =>
        trip(what)
        expected
      }
    } catch {
      case raised: Exception if flags.isEmpty && CurrentSpark.isPythonException(raised) =>
        trip(s"Python raises where the kernel returns ${made.numRows()} rows: ${raised.getMessage.linesIterator.take(1).mkString}")
        throw raised
      case NonFatal(problem) => // of a flagged row: raised again when Python decides it
        stop(problem)
        None
    }

  /** Counts the rows that the full model of a cascade answers differently, for the driver to judge. */
  def againstFull(made: ColumnarBatch, flags: Option[ColumnVector])(full: => ColumnarBatch): Unit =
    try {
      val expected = full
      val (rows, scales) = (decided(made, flags).toArray, scalesOf(expected))
      plan.drifts.head.compared(rows.length, rows.count(row => differing(made, expected, row, scales).isDefined))
    } catch { case NonFatal(problem) => stop(problem) }

  private def stop(problem: Throwable): Unit = {
    able = false
    WarnOnce(s"shadow:${problem.getClass.getName}",
      s"SparkWeld: batches could not be compared with Python, which failed on them ($problem).")
  }

  private def trip(what: String): Unit = {
    plan.metrics.shadowDifferences += 1
    Breakers.trip(plan.kernel.requestKey, Refusal("SW955", "udf" -> shadow.udfs, "what" -> what).text)
  }

  private def difference(made: ColumnarBatch, expected: ColumnarBatch, flags: Option[ColumnVector]): Option[String] =
    if (made.numRows() != expected.numRows()) Some(s"the kernel returns ${made.numRows()} rows, Python ${expected.numRows()}")
    else {
      val scales = scalesOf(expected)
      decided(made, flags).flatMap { row =>
        differing(made, expected, row, scales).map { k =>
          val (one, other) = (valueOf(made.getRow(row), k), valueOf(expected.getRow(row), k))
          s"in row $row of a batch of partition $partition, ${names(k)} is $one in the kernel and $other in Python"
        }
      }.nextOption()
    }

  /** Returns each column's largest finite number, which scales the tolerance of its differences; 0 where values must be equal. */
  private def scalesOf(expected: ColumnarBatch): Array[Double] =
    if (!shadow.approximate) new Array[Double](columns.length)
    else columns.indices.map { k =>
      (0 until expected.numRows()).iterator.map(row => largest(valueOf(expected.getRow(row), k), columns(k))).maxOption.getOrElse(0.0)
    }.toArray

  private def largest(value: Any, dataType: DataType): Double = (value, dataType) match {
    case (x: Double, _) => if (x.isInfinite || x.isNaN) 0.0 else math.abs(x)
    case (x: Float, _) => largest(x.toDouble, dataType)
    case (x: ArrayData, ArrayType(of, _)) => (0 until x.numElements()).map(i => largest(element(x, i, of), of)).maxOption.getOrElse(0.0)
    case (x: MapData, MapType(_, value, _)) => largest(x.valueArray(), ArrayType(value))
    case (x: InternalRow, of: StructType) =>
      of.indices.map(i => largest(field(x, i, of), Fallback.stored(of(i).dataType))).maxOption.getOrElse(0.0)
    case _ => 0.0
  }

  private def decided(made: ColumnarBatch, flags: Option[ColumnVector]): Iterator[Int] =
    (0 until made.numRows()).iterator.filterNot(row => flags.exists(_.isNullAt(row)))

  /** Returns a column in which the row differs. */
  private def differing(made: ColumnarBatch, expected: ColumnarBatch, row: Int, scales: Array[Double]): Option[Int] =
    columns.indices.find(k => !same(valueOf(made.getRow(row), k), valueOf(expected.getRow(row), k), columns(k), scales(k)))

  private def valueOf(row: InternalRow, k: Int): Any = if (row.isNullAt(k)) null else row.get(k, columns(k))

  private def same(a: Any, b: Any, dataType: DataType, scale: Double): Boolean = (a, b, dataType) match {
    case (null, null, _) => true
    case (null, _, _) | (_, null, _) => false
    case (x: Double, y: Double, _) =>
      val share = if (shadow.single) Shadow.OfFloats else Shadow.OfDoubles
      java.lang.Double.doubleToLongBits(x) == java.lang.Double.doubleToLongBits(y) || shadow.approximate && near(x, y, share, scale)
    case (x: Float, y: Float, _) =>
      java.lang.Float.floatToIntBits(x) == java.lang.Float.floatToIntBits(y) || shadow.approximate && near(x, y, Shadow.OfFloats, scale)
    case (x: Array[Byte], y: Array[Byte], _) => java.util.Arrays.equals(x, y)
    case (x: ArrayData, y: ArrayData, ArrayType(of, _)) =>
      x.numElements() == y.numElements() && (0 until x.numElements()).forall(i => same(element(x, i, of), element(y, i, of), of, scale))
    case (x: MapData, y: MapData, MapType(key, value, _)) =>
      same(x.keyArray(), y.keyArray(), ArrayType(key), scale) && same(x.valueArray(), y.valueArray(), ArrayType(value), scale)
    case (x: InternalRow, y: InternalRow, of: StructType) =>
      of.indices.forall(i => same(field(x, i, of), field(y, i, of), Fallback.stored(of(i).dataType), scale))
    case _ => a == b
  }

  private def element(array: ArrayData, i: Int, of: DataType): Any = if (array.isNullAt(i)) null else array.get(i, of)

  private def field(row: InternalRow, i: Int, of: StructType): Any =
    if (row.isNullAt(i)) null else row.get(i, Fallback.stored(of(i).dataType))

  private def near(x: Double, y: Double, share: Double, scale: Double): Boolean =
    !x.isInfinite && !y.isInfinite && math.abs(x - y) <= share * (math.abs(y) + scale)
}

private object Shadow {
  private val Golden = 0.6180339887498949

  /**
   * Tolerance of approximate results. Two summation orders of m terms differ by at most 2 * m * eps * sum(|term|) (Higham,
   * Accuracy and Stability of Numerical Algorithms, section 4.2). Functions of libm differ by 4 eps, which later operations may
   * amplify. The constants allow sums of `sumTerms` terms. For sum(|term|), the sum of the value and of the
   * largest one of its column is used. The check before a function is compiled has the same rule
   * (udf_compiler/probing/differences.py).
   */
  private val OfDoubles = 2 * Constants.shared.sumTerms.double * Math.ulp(1.0)
  private val OfFloats = 2 * Constants.shared.sumTerms.float * Math.ulp(1.0f).toDouble
}
