package io.sparkweld
package host

import scala.jdk.CollectionConverters._

/** Looks up processes, by the API that Java has from version 9 on. */
object Processes {
  def pid(process: Process): Long = process.pid()

  /** Returns the CPU time of all threads so far, in ms; None where the system does not report it. */
  def cpuMs(process: Process): Option[Long] = {
    val used = process.toHandle.info().totalCpuDuration()
    if (used.isPresent) Some(used.get.toMillis) else None
  }

  /** Returns the ids of all processes that this one started, and of those that they started. */
  def descendants: Seq[Long] = ProcessHandle.current().descendants().iterator().asScala.map(_.pid).toList
}
