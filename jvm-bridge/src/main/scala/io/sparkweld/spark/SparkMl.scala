package io.sparkweld
package spark

import org.apache.spark.ml.feature.HashingTF
import org.apache.spark.ml.sparkweld.PrivateMl
import org.apache.spark.ml.tree.LeafNode

/** Exposes values of models of Spark's ML library that have no public accessor. */
trait SparkMl {

  /** Returns the training statistics of a leaf's rows: for a classification, their weight by class. */
  final def statistics(leaf: LeafNode): Array[Double] = PrivateMl.statistics(leaf)

  /** Returns the hash version of a HashingTF: one saved by Spark 2 keeps that of Spark 2. */
  final def hashVersion(model: HashingTF): Int = PrivateMl.hashVersion(model)

  /** Whether `Vector.compressed` returns a sparse vector. */
  def compressesToSparse(nonZeros: Int, size: Int): Boolean
}
