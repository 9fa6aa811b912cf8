package io.sparkweld
package support

import java.util.concurrent.ConcurrentHashMap

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

import org.apache.spark.internal.Logging

/** Logs one warning for each distinct reason of an application; repetitions are logged at debug level. */
object WarnOnce extends Logging {
  /** The logger of all messages for operators. */
  val LogName = "io.sparkweld.SparkWeld"

  override protected def logName: String = LogName

  private val seen = ConcurrentHashMap.newKeySet[String]()

  def apply(reason: String, message: => String, cause: Throwable = null): Unit =
    if (seen.add(reason)) {
      if (cause == null) logWarning(message) else logWarning(message, cause)
    } else {
      logDebug(message)
    }

  /** Whether there was a warning whose reason contains this string. */
  def warned(text: String): Boolean = seen.asScala.exists(_.contains(text))

  /** Returns the reasons of warnings about bugs of ours, for tests. */
  def bugs: java.util.List[String] =
    seen.asScala.filter(reason => reason.startsWith("internal:") || reason.startsWith("service-error:")).toSeq.sorted.asJava

  /** Forgets all reasons: a new application starts in this JVM. */
  def reset(): Unit = seen.clear()

  /**
   * Runs `body`; a non-fatal exception becomes one warning and the result `otherwise`. For borders that must not break a query.
   */
  def guard[T](what: String, otherwise: => T)(body: => T): T =
    try body
    catch {
      case NonFatal(problem) =>
        apply(s"internal:$what:${problem.getClass.getName}",
          s"SparkWeld: $what failed (INTERNAL_ERROR); Spark's own plan is used. Please report this with the trace.", problem)
        otherwise
    }
}
