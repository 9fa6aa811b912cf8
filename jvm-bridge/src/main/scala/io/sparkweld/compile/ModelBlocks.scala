package io.sparkweld.compile

import java.util.LinkedHashMap

import org.apache.spark.SparkContext
import org.apache.spark.broadcast.Broadcast

/**
 * Constants that programs read, on the driver: what a model has learned. They go to executors as one broadcast, made when a
 * query first needs it; from then on Spark's block manager keeps the bytes, in memory or on disk, and its context cleaner
 * takes them away once nothing refers to this object.
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
 * The blocks that the driver has, by digest: the one used longest ago goes first while all are more than `capacity` bytes. A
 * plan that names a block holds it longer.
 */
final class ModelBlocks(capacity: Long) {
  private val entries = new LinkedHashMap[String, ModelBlock](16, 0.75f, true)
  private var held = 0L

  def get(digest: String): Option[ModelBlock] = synchronized(Option(entries.get(digest)))

  /** All blocks, that used longest ago first. */
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

  /** Bytes of all that is here. */
  def bytes: Long = synchronized(held)
}
