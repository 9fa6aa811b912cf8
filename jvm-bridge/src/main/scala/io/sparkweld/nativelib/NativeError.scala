package io.sparkweld
package nativelib

/**
 * Reports that the native half cannot be used or refused a call.
 *
 * The message states what failed, where, and the remedy.
 */
final class NativeError(message: String, cause: Throwable) extends RuntimeException(message, cause) {
  /** The constructor that the C shim calls. */
  def this(message: String) = this(message, null)
}
