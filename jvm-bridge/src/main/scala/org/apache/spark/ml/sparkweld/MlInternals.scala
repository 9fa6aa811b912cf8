package org.apache.spark.ml.sparkweld

import org.apache.spark.ml.feature.HashingTF
import org.apache.spark.ml.tree.LeafNode

/**
 * Turns what is `private[ml]` in Spark 4.3 into the few values that SparkWeld reads. Only code below `org.apache.spark.ml` may see
 * them; another Spark line needs another copy of this file.
 */
object MlInternals {

  /** What a leaf's rows were in training: of a classification, their weight by class. */
  def statistics(leaf: LeafNode): Array[Double] = leaf.impurityStats.stats

  /** Which hash a HashingTF uses: one that was saved by Spark 2 keeps that of then. */
  def hashVersion(model: HashingTF): Int = model.hashFuncVersion
}
