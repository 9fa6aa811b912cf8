package io.sparkweld.columns

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.compile.Lru
import io.sparkweld.nativelib.Shim
import io.sparkweld.support.WarnOnce

/** What a kernel gave for rows, by their values, in so many bytes of native memory. Used by one task at a time. */
final class RowCache(bytes: Long) extends AutoCloseable {
  Shim.load()
  private val memory = new OffHeapBuffer

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
      case problem: OutOfMemoryError =>
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
 * batches that went through it took less time than the kernel alone. The tasks of an executor share it.
 */
final class CacheAdvice {
  import CacheAdvice._

  private var plainLeft = FirstBatches
  private var pause = FirstPause
  private var kernelNanos = Double.MaxValue // a row, the least of those since the last pause began
  private var cachedNanos = 0.0 // a row, of late
  private var tried = 0

  def wantsCache: Boolean = synchronized(plainLeft == 0)

  /** A batch of so many rows took so long without a cache. */
  def plain(nanos: Long, rows: Int): Unit = synchronized {
    kernelNanos = math.min(kernelNanos, nanos.toDouble / rows)
    if (plainLeft > 0) {
      plainLeft -= 1
      if (plainLeft == 0 && kernelNanos < LeastNanos) rest()
    }
  }

  /** A batch took so long with a cache. The first ones fill it, and count for little. */
  def cached(nanos: Long, rows: Int): Unit = synchronized {
    val now = nanos.toDouble / rows
    cachedNanos = if (tried == 0) now else cachedNanos + (now - cachedNanos) / Recent
    tried += 1
    if (tried >= Trial && cachedNanos > kernelNanos * Worth) rest()
  }

  private def rest(): Unit = {
    plainLeft = pause
    pause = math.min(2 * pause, LongestPause)
    kernelNanos = Double.MaxValue
    tried = 0
  }
}

private object CacheAdvice {
  /** What a kernel must take for a row: to look one up takes 20 to 60 ns, as tests/bench/feature_cache.py prints. */
  private val LeastNanos = 100.0
  private val FirstBatches = 2
  private val FirstPause = 64
  private val LongestPause = 4096
  private val Trial = 8
  private val Recent = 3
  private val Worth = 0.9
}
