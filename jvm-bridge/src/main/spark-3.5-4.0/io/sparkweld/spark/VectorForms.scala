package io.sparkweld
package spark

/** Estimates the sizes of vectors as these lines do. */
trait VectorForms extends SparkMl {
  override def compressesToSparse(nonZeros: Int, size: Int): Boolean = 1.5 * (nonZeros + 1.0) < size
}
