package io.sparkweld
package compile

import io.sparkweld.contract

/**
 * Describes the rows on which a cascade's certificate was tested; the kernel stores each row's doubt for comparison with it.
 *
 * `counts`: rows by doubt, in bins separated by `edges`; a row is sure below the edge `limit`. `differs`: the number of rows
 * whose small-model answer differs from the full model's, for numbers by more than `band`. `labels`: the kernel returns labels,
 * not probabilities or numbers. `sureCost` and `fullCost`: nanoseconds per row when the small model is sure, and with the full
 * model only.
 */
final case class Watch(
    path: String, edges: Array[Double], counts: Array[Long], limit: Int, differs: Long, band: Double, labels: Boolean,
    sureCost: Double, fullCost: Double) {

  def bins: Int = edges.length + 1

  /** Returns the speedup when this share of the rows uses the full model. */
  def saving(share: Double): Double = fullCost / math.max(sureCost + share * fullCost, 1e-9)

  /** Returns how many of the counted rows used the full model. */
  def unsure(counts: Array[Long]): Long = counts.drop(limit + 1).sum
}

object Watch {
  def of(reply: contract.Watch): Watch = Watch(reply.path, reply.edges.toArray, reply.counts.toArray, reply.limit, reply.differs,
    reply.band, reply.labels, reply.sureCost, reply.fullCost)
}
