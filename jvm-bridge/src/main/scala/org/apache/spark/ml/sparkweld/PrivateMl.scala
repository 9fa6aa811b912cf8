package org.apache.spark.ml.sparkweld

import org.apache.spark.ml.feature.HashingTF
import org.apache.spark.ml.tree.LeafNode

/**
 * Forwards the `private[ml]` members of Spark that `io.sparkweld.spark.SparkMl` exposes.
 *
 * Only code below `org.apache.spark.ml` may access them. They are the same in all supported lines of Spark.
 */
object PrivateMl {
  def statistics(leaf: LeafNode): Array[Double] = leaf.impurityStats.stats

  def hashVersion(model: HashingTF): Int = model.hashFuncVersion
}
