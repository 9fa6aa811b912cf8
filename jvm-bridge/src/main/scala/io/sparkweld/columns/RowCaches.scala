package io.sparkweld
package columns

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.compile.Lru
import io.sparkweld.nativelib.{NoMemory, Shim}
import io.sparkweld.support.WarnOnce

/** Caches a kernel's outputs by input row in `bytes` bytes of native memory. Used by one task at a time. */
final class RowCache(bytes: Long) extends AutoCloseable {
  Shim.load()
  private val memory = new OffHeapBuffer(ofTask = false)

  def address: Long = memory.address

  /** Empties the cache. */
  def clear(): Unit = Shim.cacheOpen(memory.reserve(bytes), bytes, System.nanoTime())

  override def close(): Unit = memory.close()
}

/**
 * Holds the caches of this executor, `capacity` bytes in all: one per concurrent task.
 *
 * A cache keeps its content for the next task of the same kernel form. So no task waits for another, and a row that two tasks
 * look up at once is in two caches.
 */
final class RowCaches(capacity: Long, tasks: Int) extends AutoCloseable {
  private val share = math.min(capacity / math.max(tasks, 1), RowCaches.MostBytes)
  private val idle = ArrayBuffer.empty[(String, RowCache)] // most recently returned last
  private val advice = new Lru[String, CacheAdvice](RowCaches.Remembered)
  private var made = 0
  private var closed = false

  /** Returns a cache for the form of this identity; None when all are in use, or there is no memory for one. */
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

  /** Returns a cache from its task. */
  def giveBack(form: String, cache: RowCache): Unit = synchronized {
    if (closed) cache.close() else idle += form -> cache
  }

  /** Returns the measurements on the use of a cache for this form. */
  def adviceOf(form: String): CacheAdvice = advice.getOrElseUpdate(form, new CacheAdvice)

  /** Returns the memory of all caches. */
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
        WarnOnce("feature cache", "SparkWeld: there is no off-heap memory for the feature cache; repeated rows are computed again.",
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
 * Decides whether a form's batches use a cache, by measuring both ways. The tasks of an executor share it.
 *
 * A cache is tried once the kernel is slow enough. It stays in use while the kernel time of the rows found exceeds the time of
 * all lookups. Retries are so rare that unsuccessful trials cost at most 2%.
 */
final class CacheAdvice {
  import CacheAdvice._

  private var plainLeft = FirstBatches
  private var kernelNanos = Double.MaxValue // per row
  private var searchNanos = Double.MaxValue // per row, the minimum: stalls of the machine must not count
  private var found = 0.0 // share of the rows
  private var tried = 0

  def requiresCache: Boolean = synchronized(plainLeft == 0)

  /** Records that the kernel took `nanos` for a batch of `rows` rows. */
  def plain(nanos: Long, rows: Int): Unit = synchronized {
    kernelNanos = math.min(kernelNanos, nanos.toDouble / rows)
    if (plainLeft > 0) {
      plainLeft -= 1
      if (plainLeft == 0 && kernelNanos < LeastNanos) rest(LongestPause)
    }
  }

  /** Records a batch of `rows` rows with a cache: `nanos` in all, `inKernel` of them in the kernel for the `missed` rows. */
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
  /** Minimum kernel time per row: a lookup takes 20 to 100 ns, as tests/bench/feature_cache.py shows. */
  private val LeastNanos = 100.0
  private val FirstBatches = 2
  private val LongestPause = 2048
  private val Trial = 8
  private val TrialsCost = 0.02
  private val Recent = 4
  private val Worth = 1.2
}
