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

  /** Receives the warnings of this JVM, if it is an executor, so that the driver's log has them, too. */
  @volatile private var toDriver: Option[(String, String) => Unit] = None

  private val Word = "sparkweld-warning"
  private val seen = ConcurrentHashMap.newKeySet[String]()

  def apply(reason: String, message: => String, cause: Throwable = null): Unit =
    if (seen.add(reason)) {
      val text = message
      if (cause == null) logWarning(text) else logWarning(text, cause)
      toDriver.foreach(send => try send(reason, text) catch { case NonFatal(_) => () }) // the driver may have ended
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

  /** Passes all further warnings to `send`, with their reasons. */
  def report(send: (String, String) => Unit): Unit = toDriver = Some(send)

  /** Logs the warning of an executor on the driver, once for all executors; returns whether `message` is one. */
  def receive(message: AnyRef): Boolean = message match {
    case Array(Word, executor: String, reason: String, text: String) =>
      apply(s"executor:$reason", s"$text (Reported by executor $executor; others may follow, and are not listed.)")
      true
    case _ => false
  }

  /** Encodes a warning for the driver, of classes of the JDK only. */
  def encode(executor: String, reason: String, text: String): AnyRef = Array[AnyRef](Word, executor, reason, text)

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
