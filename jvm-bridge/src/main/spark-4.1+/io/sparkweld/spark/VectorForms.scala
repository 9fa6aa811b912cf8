package io.sparkweld
package spark

/** Computes the bytes of vectors as `Vectors.getSparseSize` and `Vectors.getDenseSize`. */
trait VectorForms extends SparkMl {
  override def compressesToSparse(nonZeros: Int, size: Int): Boolean = 12L * nonZeros + 28 < 8L * size + 12
}
