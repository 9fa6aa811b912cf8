package io.sparkweld
package host

import java.io.{File, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}

import scala.util.Try

/** Looks up processes without the API that Java has from version 9 on. Spark 3.5 also runs on Java 8. */
object Processes {
  private val MsPerTick = 10L // USER_HZ is 100 in all programs' view of Linux

  def pid(process: Process): Long =
    try classOf[Process].getMethod("pid").invoke(process).asInstanceOf[Long]
    catch {
      case _: NoSuchMethodException => // Java 8
        val field = process.getClass.getDeclaredField("pid")
        field.setAccessible(true)
        field.getInt(process).toLong
    }

  /** Returns the CPU time of all threads so far, in ms; None where the system does not report it. */
  def cpuMs(process: Process): Option[Long] = fields(pid(process)).map(values => (values(11).toLong + values(12).toLong) * MsPerTick)

  /** Returns the ids of all processes that this one started, and of those that they started. */
  def descendants: Seq[Long] = {
    val children = Option(new File("/proc").list()).toList.flatten.flatMap(name => Try(name.toLong).toOption)
      .flatMap(pid => fields(pid).map(values => values(1).toLong -> pid)).groupBy(_._1)
    def below(pid: Long): List[Long] = children.getOrElse(pid, Nil).flatMap { case (_, child) => child :: below(child) }
    below(Paths.get("/proc/self").toRealPath().getFileName.toString.toLong)
  }

  /** Returns the fields of a process's `stat` after its name, which may contain spaces; None when it has ended. */
  private def fields(pid: Long): Option[Array[String]] =
    try {
      val text = new String(Files.readAllBytes(Paths.get(s"/proc/$pid/stat")), UTF_8)
      Some(text.substring(text.lastIndexOf(')') + 1).trim.split(' '))
    } catch { case _: IOException => None }
}
