package io.sparkweld
package compile

import java.lang.ref.WeakReference
import java.security.MessageDigest

import io.sparkweld.host.Hexadecimal

/**
 * Computes SHA-256 digests of payloads, once per object.
 *
 * The rules ask for the digest of a function of megabytes ten times a query. The creator of a payload must not change it.
 */
object Digests {
  private val arrays = new Lru[Same, String](1024)
  private val commands = new Lru[Same, Array[Byte]](256)

  def of(bytes: Array[Byte]): String = {
    val key = new Same(bytes)
    arrays.get(key).getOrElse {
      val made = Hexadecimal.of(MessageDigest.getInstance("SHA-256").digest(bytes))
      arrays.put(key, made)
      made
    }
  }

  /** Returns the bytes of a command, the same array each time while it is cached. */
  def arrayOf(command: Seq[Byte]): Array[Byte] = commands.getOrElseUpdate(new Same(command), command.toArray)

  /** A weak key that compares its object by identity and does not keep it alive. */
  private final class Same(of: AnyRef) {
    private val held = new WeakReference(of)
    override val hashCode: Int = System.identityHashCode(of)
    override def equals(other: Any): Boolean = other match {
      case same: Same => (same eq this) || (held.get != null && (held.get eq same.held.get))
      case _ => false
    }
  }
}
