package io.sparkweld
package plan

import java.util.concurrent.ConcurrentHashMap

import io.sparkweld.support.WarnOnce

/**
 * Records the kernels and cascades that a failed comparison with Python turned off in this application.
 *
 * Kernels are identified by their request: new queries leave them to Spark, tasks run them in Python. Cascades are identified by
 * their folder: new queries use the full model. The driver's half knows all of them; an executor reports its own, and asks when a
 * task that compares starts.
 */
object Breakers {
  private val Word = "sparkweld-breaker"
  private val tripped = new ConcurrentHashMap[String, String]()
  @volatile private var driver: Option[AnyRef => AnyRef] = None

  /** Resets the records for a new application in this JVM. `ask`: sends a message to the driver's half; None in its own JVM. */
  def start(ask: Option[AnyRef => AnyRef]): Unit = {
    tripped.clear()
    driver = ask
  }

  /** Returns why the kernel of this request is off, from the local records or, with `ask`, from the driver. */
  def known(request: String, ask: Boolean = false): Option[String] =
    Option(tripped.get(request)).orElse(if (ask) exchange(request, null) else None)

  /** Whether anything is off in the local records. */
  def someTripped: Boolean = !tripped.isEmpty

  /** Returns the number of kernels and cascades that are off. */
  def count: Long = tripped.size.toLong

  /** Turns the kernel or cascade off, and warns. */
  def trip(request: String, why: String): Unit = {
    record(request, why)
    exchange(request, why)
  }

  /** Answers a message of `trip` or `known`; None for another kind of message. */
  def receive(message: AnyRef): Option[AnyRef] = message match {
    case Array(Word, request: String, why) =>
      Option(why).foreach(text => record(request, text.toString))
      Some(Array[AnyRef](Word, request, tripped.get(request)))
    case _ => None
  }

  private def record(request: String, why: String): Unit = {
    tripped.putIfAbsent(request, why)
    WarnOnce(s"breaker:$request:${why.take(5)}", s"SparkWeld: disabled until the application ends. $why")
  }

  private def exchange(request: String, why: String): Option[String] = driver.flatMap { ask =>
    WarnOnce.guard("a message to the driver", Option.empty[String]) {
      ask(Array[AnyRef](Word, request, why)) match {
        case Array(Word, _, known: String) =>
          tripped.putIfAbsent(request, known)
          Some(known)
        case _ => None
      }
    }
  }
}
