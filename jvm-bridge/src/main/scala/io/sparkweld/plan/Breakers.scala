package io.sparkweld.plan

import java.util.concurrent.ConcurrentHashMap

import io.sparkweld.support.WarnOnce

/**
 * What was turned off in this application because a comparison with Python failed: kernels, by their request (new queries leave
 * them to Spark, tasks run them in Python), and cascades, by their folder (new queries use the full model). The driver's half knows
 * all; an executor tells it, and asks when a task that compares starts.
 */
object Breakers {
  private val Word = "sparkweld-breaker"
  private val tripped = new ConcurrentHashMap[String, String]()
  @volatile private var driver: Option[AnyRef => AnyRef] = None

  /** A new application starts in this JVM. `ask`: sends a message to the driver's half; None in its own JVM. */
  def start(ask: Option[AnyRef => AnyRef]): Unit = {
    tripped.clear()
    driver = ask
  }

  /** Why the kernel of this request is off, as far as it is known here, or to the driver when that is to be asked. */
  def known(request: String, ask: Boolean = false): Option[String] =
    Option(tripped.get(request)).orElse(if (ask) exchange(request, null) else None)

  /** Whether anything is off, as far as it is known here. */
  def someTripped: Boolean = !tripped.isEmpty

  /** Turns it off, and warns. */
  def trip(request: String, why: String): Unit = {
    record(request, why)
    exchange(request, why)
  }

  /** Answers a message of `trip` or `known`; None for one of another kind. */
  def receive(message: AnyRef): Option[AnyRef] = message match {
    case Array(Word, request: String, why) =>
      Option(why).foreach(text => record(request, text.toString))
      Some(Array[AnyRef](Word, request, tripped.get(request)))
    case _ => None
  }

  private def record(request: String, why: String): Unit = {
    tripped.putIfAbsent(request, why)
    WarnOnce(s"breaker:$request:${why.take(5)}", s"SparkWeld: turned off until the application ends. $why")
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
