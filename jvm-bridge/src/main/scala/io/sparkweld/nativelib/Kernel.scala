package io.sparkweld
package nativelib

/**
 * Calls a linked kernel: `void kernel(const int64_t *columns, int64_t n, int64_t *result)`.
 *
 * Any number of threads may call it at once. The owner counts its users: `close` must not be called during a call.
 */
final class Kernel private[nativelib] (
    runtime: NativeRuntime, val symbol: String, @volatile private var code: Long, private var tracker: Long) {

  /**
   * Runs the kernel over `n` rows. `columns` holds the addresses in ABI order. `result` receives the counts; its length is 2 +
   * the number of outputs. Throws NativeError after `close`.
   */
  def call(columns: Array[Long], n: Int, result: Array[Long]): Unit = {
    Shim.call(function, columns, n.toLong, result)
  }

  /** Runs this kernel and `merger` alternately over blocks, see `Shim.mergeBlocks`. Throws NativeError after `close`. */
  def mergeBlocks(merger: Kernel, columns: Array[Long], steps: Array[Long], merged: Array[Long], widths: Array[Long],
      room: Array[Long], outputs: Int, turn: Array[Long]): Unit =
    Shim.mergeBlocks(function, merger.function, columns, steps, merged, widths, room, outputs, turn)

  private def function: Long = {
    val address = code
    if (address == 0) throw new NativeError(s"the kernel $symbol was called after it was closed: a bug in SparkWeld")
    address
  }

  /** Frees the machine code. May be called more than once. */
  def close(): Unit = {
    val freed = synchronized {
      val held = tracker
      tracker = 0
      code = 0
      held
    }
    if (freed != 0) runtime.unlink(freed)
  }
}
