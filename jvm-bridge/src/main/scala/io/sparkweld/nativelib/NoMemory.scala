package io.sparkweld.nativelib

/**
 * There is no native memory for what a task wants. An OutOfMemoryError would end the executor, with all of its tasks; a batch that gets
 * no memory runs as Spark planned it.
 */
final class NoMemory(message: String) extends RuntimeException(message)
