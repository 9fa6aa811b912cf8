package io.sparkweld.columns

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.compile.Lru
import io.sparkweld.nativelib.{NoMemory, Shim}
import io.sparkweld.support.WarnOnce

/** What a kernel gave for rows, by their values, in so many bytes of native memory. Used by one task at a time. */
final class RowCache(bytes: Long) extends AutoCloseable {
  Shim.load()
  private val memory = new OffHeapBuffer(ofTask = false)

  def address: Long = memory.address

  /** Forgets all. */
  def clear(): Unit = Shim.cacheOpen(memory.reserve(bytes), bytes, System.nanoTime())

  override def close(): Unit = memory.close()
}

/**
 * The caches of this executor, of `capacity` bytes in all: one for each task that runs at a time, kept with what is in it for
 * the next task of the same form of a kernel. So no task waits for another, and a row that two look up at once is in two caches.
 */
final class RowCaches(capacity: Long, tasks: Int) extends AutoCloseable {
  private val share = math.min(capacity / math.max(tasks, 1), RowCaches.MostBytes)
  private val idle = ArrayBuffer.empty[(String, RowCache)] // the one given back last is the last
  private val advice = new Lru[String, CacheAdvice](RowCaches.Remembered)
  private var made = 0
  private var closed = false

  /** A cache for the form of this identity; None when all are in use, or there is no memory for one. */
  def take(form: String): Option[RowCache] = synchronized {
    if (share < RowCaches.LeastBytes || closed) None
    else {
      val own = idle.lastIndexWhere(_._1 == form)
      if (own >= 0) Some(idle.remove(own)._2)
      else if (made < tasks) allocated()
      else if (idle.nonEmpty) Some(fresh(idle.remove(0)._2))
      else None
    }
  }

  /** The task that took it uses it no more. */
  def giveBack(form: String, cache: RowCache): Unit = synchronized {
    if (closed) cache.close() else idle += form -> cache
  }

  /** What is known about the use of a cache for this form. */
  def adviceOf(form: String): CacheAdvice = advice.getOrElseUpdate(form, new CacheAdvice)

  /** The memory of all caches. */
  def bytes: Long = synchronized(made * share)

  override def close(): Unit = synchronized {
    closed = true
    idle.foreach(_._2.close())
    idle.clear()
  }

  private def allocated(): Option[RowCache] =
    try {
      val cache = fresh(new RowCache(share))
      made += 1
      Some(cache)
    } catch {
      case problem: NoMemory =>
        WarnOnce("feature cache", "SparkWeld: there is no native memory for the feature cache; rows that repeat are computed again.",
          problem)
        None
    }

  private def fresh(cache: RowCache): RowCache = {
    cache.clear()
    cache
  }
}

object RowCaches {
  private val LeastBytes = 64L << 10
  private val MostBytes = 1L << 40
  private val Remembered = 1024
}

/**
 * Whether a form's batches go through a cache: they do once the kernel takes so long that it could pay, and for as long as the
 * rows that were found would have taken the kernel longer than it took to look for all. It tries again so rarely that trials which
 * do not pay cost a fiftieth. The tasks of an executor share it.
 */
final class CacheAdvice {
  import CacheAdvice._

  private var plainLeft = FirstBatches
  private var kernelNanos = Double.MaxValue // of a row
  private var searchNanos = Double.MaxValue // of a row, the least: a stall of the machine says nothing
  private var found = 0.0 // share of the rows
  private var tried = 0

  def wantsCache: Boolean = synchronized(plainLeft == 0)

  /** The kernel took so long for a batch of so many rows. */
  def plain(nanos: Long, rows: Int): Unit = synchronized {
    kernelNanos = math.min(kernelNanos, nanos.toDouble / rows)
    if (plainLeft > 0) {
      plainLeft -= 1
      if (plainLeft == 0 && kernelNanos < LeastNanos) rest(LongestPause)
    }
  }

  /** It took `nanos` for a batch of so many rows with a cache, `inKernel` of them in the kernel, for the rows that were missed. */
  def cached(rows: Int, missed: Int, nanos: Long, inKernel: Long): Unit = synchronized {
    def recent(before: Double, now: Double) = if (tried == 0) now else before + (now - before) / Recent
    searchNanos = math.min(searchNanos, (nanos - inKernel).toDouble / rows)
    found = recent(found, 1 - missed.toDouble / rows)
    if (missed * Recent > rows) kernelNanos = recent(kernelNanos, inKernel.toDouble / missed) // so both are of one time
    tried += 1
    if (tried >= Trial && found * kernelNanos < searchNanos * Worth) {
      rest(math.min(LongestPause, Trial * math.ceil(searchNanos / (kernelNanos * TrialsCost)).toInt))
    }
  }

  private def rest(batches: Int): Unit = {
    plainLeft = batches
    kernelNanos = Double.MaxValue
    searchNanos = Double.MaxValue
    tried = 0
  }
}

private object CacheAdvice {
  /** What a kernel must take for a row: to look one up takes 20 to 100 ns, as tests/bench/feature_cache.py shows. */
  private val LeastNanos = 100.0
  private val FirstBatches = 2
  private val LongestPause = 2048
  private val Trial = 8
  private val TrialsCost = 0.02
  private val Recent = 4
  private val Worth = 1.2
}
