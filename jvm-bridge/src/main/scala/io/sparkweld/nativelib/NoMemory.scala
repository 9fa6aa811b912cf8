package io.sparkweld
package nativelib

/**
 * Reports that a task's native allocation failed.
 *
 * An OutOfMemoryError would end the executor with all of its tasks; instead, the batch that got no memory runs as Spark planned
 * it.
 */
final class NoMemory(message: String) extends RuntimeException(message)
