package io.sparkweld
package compile

/**
 * Limits the CPU time that a child process uses from now on.
 *
 * The limit is in CPU time, not wall time: on a busy machine an innocent process may take a minute for one second of work, and
 * must not be killed for that.
 *
 * @param clock nanoseconds, as System.nanoTime
 * @param cpuMs CPU time of the process so far
 */
final class CpuWatch(limitMs: Long, cpuMs: () => Long, clock: () => Long = () => System.nanoTime()) {
  private val start = cpuMs()
  private var last = start
  private var looked = clock()
  @volatile private var idleNanos = 0L

  /** Returns the CPU milliseconds since the start. */
  def used: Long = last - start

  /** Returns the wall milliseconds since the process was last seen at work. Any thread may read it. */
  def idle: Long = idleNanos / 1000000L

  /** Reads the clocks. Throws ServiceStuck past a limit. */
  def check(): Unit = {
    val (now, time) = (cpuMs(), clock())
    // a longer gap means that this JVM was suspended together with its child: a laptop that slept, a paused container
    if (now > last) idleNanos = 0 else idleNanos += math.min(time - looked, CpuWatch.MostBetweenNanos)
    last = math.max(now, last)
    looked = time
    if (used > limitMs) throw new ServiceStuck(CpuWatch.seconds(used) + " of CPU time", slept = false)
    if (idle > CpuWatch.MostIdleMs) throw new ServiceStuck(s"it slept for ${CpuWatch.seconds(idle)}", slept = true)
  }

  /** Whether the child delays other requests: an ordinary request uses much less. */
  def isHog: Boolean = used > CpuWatch.HogMs || idle > CpuWatch.HogMs
}

object CpuWatch {
  /** On any machine, a runnable process gets some milliseconds of CPU time within this time. */
  val MostIdleMs = 15000L
  private val HogMs = 2000L
  private val MostBetweenNanos = 1000000000L

  def seconds(ms: Long): String = f"${ms / 1000.0}%.1f s"
}
