package io.sparkweld
package plan

import java.util.concurrent.ConcurrentHashMap

import io.sparkweld.columns.NativeColumnVector
import io.sparkweld.compile.Watch
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.commons.math3.distribution.BetaDistribution
import org.apache.spark.sql.vectorized.ColumnVector
import org.apache.spark.unsafe.Platform
import org.apache.spark.util.AccumulatorV2

/**
 * Compares the rows that a cascade scores in one query with its certificate's, and warns once when sampling does not explain the
 * difference.
 *
 * Executors count rows by the small model's doubt; the driver compares the counts.
 *
 * The test repeats whenever the number of rows has doubled, each time at a smaller level. So the probability of a false alarm in
 * any test is at most `Level`.
 */
final class Drift(watch: Watch) extends AccumulatorV2[Array[Long], Array[Long]] {
  private val counts = new Array[Long](watch.bins)
  private val against = new Array[Long](2) // rows compared with the full model, and those that differ
  private var looks = 0
  private var next = Drift.FirstLook

  override def isZero: Boolean = counts.forall(_ == 0) && against.forall(_ == 0)
  override def copy(): Drift = {
    val made = new Drift(watch)
    made.add(value)
    made
  }
  override def reset(): Unit = Seq(counts, against).foreach(java.util.Arrays.fill(_, 0L))
  override def add(more: Array[Long]): Unit = {
    counts.indices.foreach(k => counts(k) += more(k))
    against.indices.foreach(k => against(k) += more(counts.length + k))
  }
  override def value: Array[Long] = counts ++ against

  /** Merges the counts of another task; Spark calls it on the driver, task by task. */
  override def merge(other: AccumulatorV2[Array[Long], Array[Long]]): Unit = {
    add(other.value)
    if (counts.sum >= next) {
      looks += 1
      next = 2 * counts.sum
      val level = Drift.Level / (looks * (looks + 1))
      Drift.found(watch, counts, level / 2).foreach { what =>
        val refusal = Refusal("SW954", "path" -> watch.path, "what" -> what)
        Drift.alarms.put(watch.path, refusal.text)
        WarnOnce(s"drift:SW954:${watch.path}", s"SparkWeld: ${refusal.text}")
      }
      Drift.loss(watch, against(0), against(1), level / 2).foreach { what =>
        Breakers.trip(watch.path, Refusal("SW957", "path" -> watch.path, "what" -> what).text)
      }
    }
  }

  /** Records that of `rows` rows, the full model answers `differing` differently. */
  def compared(rows: Int, differing: Int): Unit = {
    against(0) += rows.toLong
    against(1) += differing.toLong
  }

  /** Counts a batch by its doubts, except rows whose flag is NULL; returns how many used the full model. */
  def count(doubts: NativeColumnVector, rows: Int, flags: Option[ColumnVector]): Long = {
    val edges = watch.edges
    var unsure = 0L
    var row = 0
    while (row < rows) {
      if (flags.isEmpty || !flags.get.isNullAt(row)) {
        val doubt = Platform.getDouble(null, doubts.dataAddress + row * 8L)
        var low = 0
        var high = edges.length
        while (low < high) {
          val middle = (low + high) >>> 1
          if (doubt < edges(middle)) high = middle else low = middle + 1 // NaN: the last bin
        }
        counts(low) += 1
        if (low > watch.limit) unsure += 1
      }
      row += 1
    }
    unsure
  }
}

object Drift {
  /** The probability of a warning in a query whose rows are like the certificate's. */
  private val Level = 1e-4
  private val FirstLook = 500L

  /** Path of a cascade -> the last difference from its certificate, in this application. */
  private val alarms = new ConcurrentHashMap[String, String]

  /** Returns how the rows of a query differed from the certificate of a cascade, if any did. */
  def alarm(path: String): Option[String] = Option(alarms.get(path))

  /** Forgets the alarms of the application before. */
  def start(): Unit = alarms.clear()

  /**
   * Returns how the counted rows differ from the certificate's, both being samples; an error has at most probability `level`. The
   * shares of unsure rows differ when their exact intervals (Clopper and Pearson 1934) are disjoint. The distributions of doubts
   * differ when they are farther apart than the sum of both error bounds (Dvoretzky, Kiefer and Wolfowitz 1956, with Massart's
   * constant).
   */
  def found(watch: Watch, counts: Array[Long], level: Double): Option[String] = {
    val (before, now) = (watch.counts.sum, counts.sum)
    val (unsureThen, unsureNow) = (watch.unsure(watch.counts), watch.unsure(counts))
    val ((lowThen, highThen), (lowNow, highNow)) = (interval(unsureThen, before, level / 4), interval(unsureNow, now, level / 4))
    val farthest = counts.indices.map(k => math.abs(watch.counts.take(k).sum.toDouble / before - counts.take(k).sum.toDouble / now)).max
    val explained = Seq(before, now).map(n => math.sqrt(math.log(8 / level) / (2.0 * n))).sum
    if (lowNow > highThen || highNow < lowThen) {
      Some(f"the full model scored ${100.0 * unsureNow / now}%.2f%% of $now%,d rows, and ${100.0 * unsureThen / before}%.2f%% of the $before%,d " +
        "rows of the certificate")
    } else Option.when(farthest > explained)(
      f"the small model's scores of $now%,d rows have another distribution than those of the certificate's $before%,d rows: the distance is " +
        f"${100 * farthest}%.1f%% of the rows, and chance explains up to ${100 * explained}%.1f%%")
  }

  /**
   * Returns whether the full model answers more rows differently than when the certificate was made; then the loss may be larger,
   * too.
   */
  def loss(watch: Watch, rows: Long, differing: Long, level: Double): Option[String] = {
    val before = watch.counts.sum
    Option.when(rows > 0 && interval(differing, rows, level / 2)._1 > interval(watch.differs, before, level / 2)._2)(
      f"the full model answers $differing%,d of $rows%,d compared rows differently, and ${watch.differs}%,d of the certificate's $before%,d")
  }

  /** Returns the exact confidence interval of a share with `hits` of `rows`, at error probability `level`. */
  private def interval(hits: Long, rows: Long, level: Double): (Double, Double) = {
    def quantile(a: Double, b: Double, p: Double) = new BetaDistribution(null, a, b).inverseCumulativeProbability(p)
    (if (hits == 0) 0.0 else quantile(hits.toDouble, rows - hits + 1.0, level / 2),
      if (hits == rows) 1.0 else quantile(hits + 1.0, (rows - hits).toDouble, 1 - level / 2))
  }
}
