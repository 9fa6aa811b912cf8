package org.apache.spark.ml.sparkweld

import org.apache.spark.ml.feature.HashingTF
import org.apache.spark.ml.tree.LeafNode

/**
 * Exposes the few `private[ml]` values of Spark 4.3 that SparkWeld reads.
 *
 * Only code below `org.apache.spark.ml` may access them; another Spark line needs another copy of this file.
 */
object MlInternals {

  /** Returns the training statistics of a leaf's rows: for a classification, their weight by class. */
  def statistics(leaf: LeafNode): Array[Double] = leaf.impurityStats.stats

  /** Returns the hash version of a HashingTF: one saved by Spark 2 keeps that of Spark 2. */
  def hashVersion(model: HashingTF): Int = model.hashFuncVersion
}
