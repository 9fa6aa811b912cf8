package io.sparkweld
package compile

import java.util.LinkedHashMap
import java.util.concurrent.{CompletableFuture, ExecutionException}

import scala.annotation.tailrec
import scala.jdk.CollectionConverters._

import org.apache.spark.TaskContext

/** Keeps a value alive until `close`, which may be called more than once. */
final class Lease[V] private[compile] (val value: V, release: () => Unit) extends AutoCloseable {
  private var open = true

  def close(): Unit = synchronized {
    if (open) {
      open = false
      release()
    }
  }
}

/**
 * Shares values between the tasks of this JVM, by key.
 *
 * The first task that asks loads a value; the others wait. While the total weight exceeds `capacity`, the least recently used
 * value is evicted. A value that a task holds is never freed, so the total may exceed the capacity meanwhile.
 */
abstract class SharedStore[K, V](capacity: Long) extends AutoCloseable {

  private final class Entry {
    val ready = new CompletableFuture[V]()
    var holders = 0
    var weight = 0L // set once it is loaded
    var failedAt = 0L
    var remembered = Long.MaxValue
    @volatile var abandoned = false // the task that loaded it was killed, which says nothing about the value
  }

  private val entries = new LinkedHashMap[K, Entry](16, 0.75f, true)

  protected def weigh(value: V): Long

  protected def free(value: V): Unit

  /**
   * Returns for how many nanoseconds a failure to load is repeated to all callers; it weighs 1 meanwhile. 0: the next caller
   * retries.
   */
  protected def remembered(problem: Throwable): Long

  /**
   * Returns the value of `key`, loaded if needed. Throws the errors of `load`. When another task loads it and is killed
   * meanwhile, this task loads it itself: the interrupt of another job's task must not fail this one.
   */
  @tailrec protected final def lease(key: K, load: => V): Lease[V] = attempt(key, load) match {
    case Some(held) => held
    case None => lease(key, load)
  }

  /** Returns None when the task that loaded it was killed. */
  private def attempt(key: K, load: => V): Option[Lease[V]] = {
    val (entry, mine) = synchronized {
      val present = entries.get(key)
      val entry = if (present != null && !expired(present)) present else new Entry
      if (entry ne present) entries.put(key, entry)
      entry.holders += 1
      (entry, entry ne present)
    }
    try {
      if (mine) loadInto(key, entry, load)
      Some(new Lease(entry.ready.get(), () => release(entry)))
    } catch {
      case problem: Throwable =>
        synchronized { entry.holders -= 1 }
        problem match {
          case _: ExecutionException if entry.abandoned => None
          case wrapped: ExecutionException => throw wrapped.getCause
          case other => throw other
        }
    }
  }

  /** Returns the total weight of the entries. */
  def weight: Long = synchronized(entries.values().asScala.iterator.map(_.weight).sum)

  def size: Int = synchronized(entries.size())

  /** Frees every value that no task holds. */
  def close(): Unit = synchronized {
    entries.values().removeIf(entry => entry.holders == 0 && freed(entry))
    ()
  }

  private def loadInto(key: K, entry: Entry, load: => V): Unit =
    try {
      val value = load
      synchronized {
        entry.weight = weigh(value)
        entry.ready.complete(value)
        trim()
      }
    } catch {
      case problem: Throwable =>
        synchronized {
          entry.weight = 1
          entry.failedAt = System.nanoTime()
          entry.abandoned = SharedStore.isKilled(problem)
          entry.remembered = if (entry.abandoned) 0 else remembered(problem)
          if (entry.remembered == 0) entries.remove(key, entry)
        }
        entry.ready.completeExceptionally(problem)
        throw problem
    }

  private def expired(entry: Entry): Boolean =
    entry.ready.isCompletedExceptionally && System.nanoTime() - entry.failedAt > entry.remembered

  private def release(entry: Entry): Unit = synchronized {
    entry.holders -= 1
    trim()
  }

  private def trim(): Unit = {
    var excess = weight - capacity
    val oldest = entries.values().iterator()
    while (excess > 0 && oldest.hasNext) {
      val entry = oldest.next()
      if (entry.holders == 0 && freed(entry)) {
        oldest.remove()
        excess -= entry.weight
      }
    }
  }

  /** Frees the value of an entry; false while it loads. */
  private def freed(entry: Entry): Boolean = {
    if (entry.ready.isDone && !entry.ready.isCompletedExceptionally) free(entry.ready.join())
    entry.ready.isDone
  }
}

private object SharedStore {
  /** Whether `problem` comes from the kill of the task, however it was wrapped. */
  def isKilled(problem: Throwable): Boolean = problem.isInstanceOf[InterruptedException] || Thread.currentThread().isInterrupted ||
    Option(TaskContext.get()).exists(_.isInterrupted())
}
