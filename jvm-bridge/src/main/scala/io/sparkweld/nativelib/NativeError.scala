package io.sparkweld.nativelib

/** The native half cannot be used, or refused a call. The message says what failed, where, and what to do. */
final class NativeError(message: String, cause: Throwable) extends RuntimeException(message, cause) {
  /** The form that the C shim throws. */
  def this(message: String) = this(message, null)
}
