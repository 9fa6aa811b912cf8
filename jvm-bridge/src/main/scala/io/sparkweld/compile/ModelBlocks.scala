package io.sparkweld
package compile

import java.util.LinkedHashMap

import org.apache.spark.SparkContext
import org.apache.spark.broadcast.Broadcast

/**
 * Holds, on the driver, constants that programs read, such as the parameters of a model.
 *
 * They reach executors as one broadcast, made when a query first needs it. From then on Spark's block manager holds the bytes, in
 * memory or on disk, and its context cleaner removes them once nothing refers to this object.
 */
final class ModelBlock(val digest: String, val size: Long, private var bytes: Array[Byte]) {
  private var sent: Option[Broadcast[Array[Byte]]] = None

  def broadcast(context: SparkContext): Broadcast[Array[Byte]] = synchronized {
    sent.getOrElse {
      val made = context.broadcast(bytes)
      sent = Some(made)
      bytes = null
      made
    }
  }
}

/**
 * Caches the driver's blocks by digest; evicts the least recently used while their total exceeds `capacity` bytes.
 *
 * A plan that refers to a block keeps it alive longer.
 */
final class ModelBlocks(capacity: Long) {
  private val entries = new LinkedHashMap[String, ModelBlock](16, 0.75f, true)
  private var held = 0L

  def get(digest: String): Option[ModelBlock] = synchronized(Option(entries.get(digest)))

  /** Returns all blocks, least recently used first. */
  def all: Seq[ModelBlock] = synchronized(entries.values().toArray(Array.empty[ModelBlock]).toSeq)

  def put(block: ModelBlock): Unit = synchronized {
    if (!entries.containsKey(block.digest)) {
      entries.put(block.digest, block)
      held += block.size
      val oldest = entries.entrySet().iterator()
      while (held > capacity && entries.size() > 1 && oldest.hasNext) {
        val eldest = oldest.next().getValue
        if (eldest ne block) {
          held -= eldest.size
          oldest.remove()
        }
      }
    }
  }

  /** Returns the total bytes of the cached blocks. */
  def bytes: Long = synchronized(held)
}
