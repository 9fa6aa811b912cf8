package io.sparkweld.compile

import java.util.{LinkedHashMap, Map => JMap}

/** A map of at most `capacity` entries; the one used longest ago goes first. Thread-safe. */
final class Lru[K, V](capacity: Int) {
  private val entries = new LinkedHashMap[K, V](16, 0.75f, true) {
    override def removeEldestEntry(eldest: JMap.Entry[K, V]): Boolean = this.size() > capacity
  }

  def get(key: K): Option[V] = synchronized(Option(entries.get(key)))

  def put(key: K, value: V): Unit = synchronized {
    entries.put(key, value)
    ()
  }

  /** The present value, else `made`, which is then kept. `made` runs under the lock and must be quick. */
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

  def size: Int = synchronized(entries.size())
}
