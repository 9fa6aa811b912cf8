package io.sparkweld
package compile

import java.util.{LinkedHashMap, Map => JMap}

import scala.jdk.CollectionConverters._

/** Caches at most `capacity` entries and evicts the least recently used. Thread-safe. */
final class Lru[K, V](capacity: Int) {
  private val entries = new LinkedHashMap[K, V](16, 0.75f, true) {
    override def removeEldestEntry(eldest: JMap.Entry[K, V]): Boolean = this.size() > capacity
  }

  def get(key: K): Option[V] = synchronized(Option(entries.get(key)))

  def put(key: K, value: V): Unit = synchronized {
    entries.put(key, value)
    ()
  }

  /** Returns the present value, else stores and returns `made`, which runs under the lock and must be quick. */
  def getOrElseUpdate(key: K, made: => V): V = synchronized {
    val present = entries.get(key)
    if (present != null) present
    else {
      val value = made
      entries.put(key, value)
      value
    }
  }

  def remove(key: K): Unit = synchronized {
    entries.remove(key)
    ()
  }

  def values: Seq[V] = synchronized(entries.values.asScala.toList)

  def size: Int = synchronized(entries.size())
}
