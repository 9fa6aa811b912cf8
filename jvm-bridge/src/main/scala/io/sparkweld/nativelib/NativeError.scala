package io.sparkweld.nativelib

/** The native half cannot be used or refused a call. The message says what failed, where, and what to do. */
final class NativeError(message: String, cause: Throwable = null) extends RuntimeException(message, cause)
