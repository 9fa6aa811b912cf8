package io.sparkweld
package host

import java.io.IOException
import java.nio.file.{Files, Paths}

import scala.jdk.CollectionConverters._

/** Reads the memory of processes. */
object ProcessMemory {
  private val Resident = """VmRSS:\s+(\d+) kB""".r

  /** Returns the resident memory of a process in bytes; None where the system does not report it, or the process has ended. */
  def residentBytes(pid: Long): Option[Long] =
    try Files.readAllLines(Paths.get(s"/proc/$pid/status")).asScala.collectFirst { case Resident(kilobytes) => kilobytes.toLong << 10 }
    catch { case _: IOException => None }
}
