package io.sparkweld.compile

/**
 * What a child process uses of the CPU from now on. Limits are in CPU time, because a process that is no trouble gets little of a
 * busy machine: it may take a minute for a second's work, and must not be killed for that.
 *
 * @param clock nanoseconds, as System.nanoTime
 * @param cpuMs CPU time of the process so far
 */
final class CpuWatch(limitMs: Long, cpuMs: () => Long, clock: () => Long = () => System.nanoTime()) {
  private val start = cpuMs()
  private var last = start
  private var looked = clock()
  @volatile private var idleNanos = 0L

  /** CPU milliseconds since the start. */
  def used: Long = last - start

  /** Wall milliseconds since the process was last seen at work. Any thread may read it. */
  def idle: Long = idleNanos / 1000000L

  /** Reads the clocks. Throws ServiceStuck past a limit. */
  def check(): Unit = {
    val (now, time) = (cpuMs(), clock())
    // a JVM that did not look for longer was suspended itself, with its child: a laptop that slept, a container on hold
    if (now > last) idleNanos = 0 else idleNanos += math.min(time - looked, CpuWatch.MostBetweenNanos)
    last = math.max(now, last)
    looked = time
    if (used > limitMs) throw new ServiceStuck(CpuWatch.seconds(used) + " of CPU time", slept = false)
    if (idle > CpuWatch.MostIdleMs) throw new ServiceStuck(s"it slept for ${CpuWatch.seconds(idle)}", slept = true)
  }

  /** Whether it holds up others: an ordinary request needs much less. */
  def isHog: Boolean = used > CpuWatch.HogMs || idle > CpuWatch.HogMs
}

object CpuWatch {
  /** A process that may run gets some milliseconds of CPU time in so long a time on any machine. */
  val MostIdleMs = 15000L
  private val HogMs = 2000L
  private val MostBetweenNanos = 1000000000L

  def seconds(ms: Long): String = f"${ms / 1000.0}%.1f s"
}
