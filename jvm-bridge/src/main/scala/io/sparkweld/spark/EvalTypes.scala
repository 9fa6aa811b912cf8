package io.sparkweld
package spark

import io.sparkweld.contract.Constants

/**
 * Names the eval types of Python functions that SparkWeld distinguishes.
 *
 * The numbers are those of `PythonEvalType`, PySpark's protocol: a line of Spark may lack one, and none changes its meaning.
 */
object EvalTypes {
  private val numbers = Constants.shared.evalTypes

  /** Plain `udf`, rows pickled. */
  val Batched: Int = numbers.batched

  /** Plain `udf` over Arrow batches. */
  val ArrowBatched: Int = numbers.arrowBatched

  /** Scalar pandas UDFs. */
  val ScalarPandas: Int = numbers.scalarPandas

  /** `applyInPandas` and grouped map pandas UDFs. */
  val GroupedMapPandas: Int = numbers.groupedMapPandas

  /** Grouped aggregate pandas UDFs. */
  val GroupedAggPandas: Int = numbers.groupedAggPandas

  /** Scalar pandas UDFs over an iterator of batches. */
  val ScalarPandasIterator: Int = numbers.scalarPandasIterator

  /** mapInPandas. */
  val MapPandas: Int = numbers.mapPandas

  /** mapInArrow. */
  val MapArrow: Int = numbers.mapArrow

  /** Scalar UDFs over Arrow arrays. */
  val ScalarArrow: Int = numbers.scalarArrow

  /** Scalar UDFs over an iterator of batches of Arrow arrays. */
  val ScalarArrowIterator: Int = numbers.scalarArrowIterator

  /** Table functions of rows: pickled, and over Arrow; and plain functions of the same format. The service receives only these. */
  val ofTables: Map[Int, Int] = Map(300 -> Batched, 301 -> ArrowBatched)

  /** Functions of pandas objects, whose dtypes depend on the NULLs of a batch. */
  private val pandas = Constants.shared.batchStateEvalTypes.toSet

  private val others = Set(Batched, ArrowBatched, ScalarArrow, ScalarArrowIterator, MapArrow)

  private val names = Map(Batched -> "udf", ArrowBatched -> "udf over Arrow", ScalarPandas -> "pandas UDF",
    ScalarPandasIterator -> "pandas UDF over batches", GroupedMapPandas -> "applyInPandas", GroupedAggPandas -> "aggregate pandas UDF",
    MapPandas -> "mapInPandas", MapArrow -> "mapInArrow", ScalarArrow -> "arrow_udf", ScalarArrowIterator -> "arrow_udf over batches") ++
    ofTables.keys.map(_ -> "table function")

  /** Returns the kind of function for people. */
  def name(evalType: Int): String = names.getOrElse(evalType, "Python function")

  /** Whether the compile service supports functions of this kind. */
  def isKnown(evalType: Int): Boolean = pandas(evalType) || others(evalType)

  /** Whether it is the kind of plain UDFs, which take and return the values of one row. */
  def isPlain(evalType: Int): Boolean = evalType == Batched || evalType == ArrowBatched

  /** Whether such a function sees the NULLs of its whole batch, as the dtype. */
  def seesBatchState(evalType: Int): Boolean = pandas(evalType)
}
