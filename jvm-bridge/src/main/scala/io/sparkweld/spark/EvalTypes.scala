package io.sparkweld.spark

/**
 * Names the eval types of Python functions that SparkWeld distinguishes.
 *
 * The numbers are those of `PythonEvalType`, PySpark's protocol: a line of Spark may lack one, and none changes its meaning.
 */
object EvalTypes {
  /** Plain `udf`, rows pickled. */
  val Batched: Int = 100

  /** Plain `udf` over Arrow batches. */
  val ArrowBatched: Int = 101

  /** Scalar pandas UDFs. */
  val ScalarPandas: Int = 200

  /** Scalar pandas UDFs over an iterator of batches. */
  val ScalarPandasIterator: Int = 204

  /** mapInPandas. */
  val MapPandas: Int = 205

  /** mapInArrow. */
  val MapArrow: Int = 207

  /** Scalar UDFs over Arrow arrays. */
  val ScalarArrow: Int = 250

  /** Scalar UDFs over an iterator of batches of Arrow arrays. */
  val ScalarArrowIterator: Int = 251

  /** Functions of pandas objects, whose dtypes depend on the NULLs of a batch. */
  private val pandas = Set(ScalarPandas, ScalarPandasIterator, MapPandas)

  private val others = Set(Batched, ArrowBatched, ScalarArrow, ScalarArrowIterator, MapArrow)

  /** Whether the compile service supports functions of this kind. */
  def isKnown(evalType: Int): Boolean = pandas(evalType) || others(evalType)

  /** Whether such a function sees the NULLs of its whole batch, as the dtype. */
  def seesBatchState(evalType: Int): Boolean = pandas(evalType)
}
