package io.sparkweld.spark

/** Implements the interface to Spark for the line 4.0. */
object CurrentSpark extends Spark4 with Hooks with ColumnarInput with Arithmetic {
  override val line: String = "4.0"
}
