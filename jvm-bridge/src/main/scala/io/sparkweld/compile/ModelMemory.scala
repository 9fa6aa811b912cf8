package io.sparkweld.compile

import java.util.LinkedHashMap
import java.util.concurrent.{CompletableFuture, ExecutionException}

import io.sparkweld.columns.OffHeapBuffer

import org.apache.spark.unsafe.Platform

/**
 * The blocks of constants of this executor, one off-heap copy each, which all of its tasks read. Whoever asks first loads a
 * block and the others wait. While all are more than `capacity` bytes, the one used longest ago goes first; one that a task
 * holds is never freed, so there may be more while they are held.
 */
final class ModelMemory(capacity: Long) extends AutoCloseable {

  private final class Entry {
    val ready = new CompletableFuture[OffHeapBuffer]()
    var holders = 0
    var size = 0L
  }

  private val entries = new LinkedHashMap[String, Entry](16, 0.75f, true)
  private var held = 0L

  /** A block that its holder keeps where it is until `close`, which may be called more than once. */
  final class Lease private[ModelMemory] (val address: Long, entry: Entry) extends AutoCloseable {
    private var open = true

    def close(): Unit = ModelMemory.this.synchronized {
      if (open) {
        open = false
        entry.holders -= 1
        trim()
      }
    }
  }

  /** The block of that digest, whose bytes `load` gives when it is not here. Throws what `load` throws, and OutOfMemoryError. */
  def acquire(digest: String, load: () => Array[Byte]): Lease = {
    val (entry, mine) = synchronized {
      val present = entries.get(digest)
      val entry = if (present != null) present else new Entry
      if (entry ne present) entries.put(digest, entry)
      entry.holders += 1
      (entry, entry ne present)
    }
    try {
      if (mine) loadInto(digest, entry, load)
      new Lease(entry.ready.get().address, entry)
    } catch {
      case problem: Throwable =>
        synchronized { entry.holders -= 1 }
        throw (problem match {
          case wrapped: ExecutionException => wrapped.getCause
          case other => other
        })
    }
  }

  /** Bytes of all blocks that are here. */
  def bytes: Long = synchronized(held)

  def size: Int = synchronized(entries.size())

  /** Frees every block that no task holds. */
  def close(): Unit = synchronized {
    entries.values().removeIf(entry => entry.holders == 0 && free(entry))
    ()
  }

  private def loadInto(digest: String, entry: Entry, load: () => Array[Byte]): Unit = {
    val buffer = new OffHeapBuffer
    try {
      val bytes = load()
      buffer.reserve(math.max(bytes.length, 1).toLong)
      Platform.copyMemory(bytes, Platform.BYTE_ARRAY_OFFSET.toLong, null, buffer.address, bytes.length.toLong)
      synchronized {
        entry.size = bytes.length.toLong
        held += entry.size
        entry.ready.complete(buffer)
        trim()
      }
    } catch {
      case problem: Throwable =>
        buffer.close()
        synchronized { entries.remove(digest, entry) } // the next task that wants it tries again
        entry.ready.completeExceptionally(problem)
        throw problem
    }
  }

  private def trim(): Unit = {
    val oldest = entries.values().iterator()
    while (held > capacity && oldest.hasNext) {
      val entry = oldest.next()
      if (entry.holders == 0 && free(entry)) oldest.remove()
    }
  }

  private def free(entry: Entry): Boolean = {
    val loaded = entry.ready.isDone && !entry.ready.isCompletedExceptionally
    if (loaded) {
      entry.ready.getNow(null).close()
      held -= entry.size
    }
    loaded
  }
}
