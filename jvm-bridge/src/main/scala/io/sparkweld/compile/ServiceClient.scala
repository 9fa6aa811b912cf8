package io.sparkweld.compile

import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicLong
import java.util.concurrent.locks.ReentrantLock

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.SparkConf
import org.apache.spark.internal.Logging

/**
 * What the compile service says of itself: protocol, versions, the CPU that its object code is for, llvmlite's
 * library.
 */
final case class Hello(json: JsonNode) {
  private def text(name: String): Option[String] = Option(json.get(name)).filterNot(_.isNull).map(_.asText)
  def status: String = text("status").getOrElse("")
  def message: String = text("message").getOrElse("its greeting has no status")
  def protocol: Int = json.path("protocol").asInt(0)
  def cpu: String = text("cpu").getOrElse("")
  def llvmlite: Option[String] = text("llvmlite")
  def numbaError: Option[String] =
    text("numbaError").orElse(Option.when(json.path("versions").path("numba").isNull)("numba is not installed"))
}

/**
 * A request that got no reply, as the refusal to record. `poisoned`: the request itself ended the child or made it
 * hang.
 */
final class ServiceUnavailable(val refusal: Refusal, val poisoned: Boolean) extends RuntimeException(refusal.message)

/**
 * The compile service of one interpreter and environment: starts it when first needed, one request at a time, kills it
 * when a reply takes too long, starts it again with back-off (1 s, 4 s, 16 s ... 5 min). While it backs off, requests
 * fail at once.
 */
final class ServiceClient(command: ServiceCommand, conf: SparkConf) extends Logging {
  private val turn = new ReentrantLock(true)
  private var process: Option[ServiceProcess] = None
  private var greeting: Option[Hello] = None
  private var failures = 0
  private var backOffUntil = 0L
  private var lastFailure = ""
  @volatile private var closed = false

  val starts = new AtomicLong()
  val failed = new AtomicLong()

  /** Starts the child unless it runs, and returns what it said. Throws ServiceUnavailable. */
  def hello(timeoutMs: Long): Hello = withTurn(timeoutMs)(deadline => running(deadline)._2)

  /**
   * Sends one request; the time limit includes waiting for other requests and starting the child. Throws
   * ServiceUnavailable.
   */
  def request(json: ObjectNode, blobs: Seq[Array[Byte]], timeoutMs: Long): Frame = withTurn(timeoutMs) { deadline =>
    val (child, _) = running(deadline)
    try {
      val reply = child.call(json, blobs, remaining(deadline))
      failures = 0
      reply
    } catch { case failure: ServiceFailure => throw broken(child, failure, poisoned = true) }
  }

  /** The child's process id while one runs. */
  def pid: Option[Long] = process.filter(_.isAlive).map(_.pid)

  def close(): Unit = {
    closed = true
    val mine = turn.tryLock(1, TimeUnit.SECONDS)
    try process.foreach(child => if (mine) child.shutdown() else child.kill())
    finally if (mine) turn.unlock()
  }

  private def withTurn[T](timeoutMs: Long)(body: Long => T): T = {
    val deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs)
    if (!turn.tryLock(timeoutMs, TimeUnit.MILLISECONDS)) {
      val what = s"it was busy with other requests for ${seconds(timeoutMs)}"
      throw new ServiceUnavailable(Refusal("SW402", "what" -> what), poisoned = false)
    }
    try body(deadline)
    finally turn.unlock()
  }

  private def running(deadline: Long): (ServiceProcess, Hello) = {
    if (closed) throw new ServiceUnavailable(Refusal("SW404", "reason" -> "the application is stopping"), poisoned = false)
    (process, greeting) match {
      case (Some(child), Some(hello)) if child.isAlive => (child, hello)
      case (Some(child), None) if child.isAlive => greeted(child, deadline)
      case (previous, _) =>
        previous.foreach(_.kill()) // it died between two requests: start again at once
        greeted(start(), deadline)
    }
  }

  private def start(): ServiceProcess = {
    val wait = backOffUntil - System.nanoTime()
    if (failures > 0 && wait > 0) {
      val left = seconds(TimeUnit.NANOSECONDS.toMillis(wait))
      throw new ServiceUnavailable(
        Refusal("SW403", "seconds" -> left, "reason" -> firstLine(lastFailure)), poisoned = false)
    }
    starts.incrementAndGet()
    greeting = None
    val child =
      try new ServiceProcess(command.python, command.variables(conf))
      catch { case problem: java.io.IOException => throw failedStart(problem.getMessage) }
    process = Some(child)
    child
  }

  private def greeted(child: ServiceProcess, deadline: Long): (ServiceProcess, Hello) = {
    val hello =
      try child.hello(remaining(deadline))
      catch {
        case failure: ServiceFailure if failure.timedOut && child.ageMs < ServiceClient.StartLimitMs =>
          // importing Numba on a slow disk takes a while: let it, this query just does not wait any longer
          throw new ServiceUnavailable(Refusal("SW402", "what" -> "it is still starting"), poisoned = false)
        case failure: ServiceFailure => throw broken(child, failure, poisoned = false)
      }
    if (hello.status != "ok") {
      child.kill()
      throw failedStart(hello.message)
    }
    if (hello.protocol != ServiceClient.Protocol) {
      child.kill()
      throw failedStart(s"it speaks protocol ${hello.protocol}, this jar speaks ${ServiceClient.Protocol}: " +
        "the jar and the Python package are of different releases")
    }
    if (greeting.isEmpty) {
      logInfo(s"SparkWeld: compile service ${child.pid} of ${command.python} is ready: ${hello.json.path("versions")}")
    }
    greeting = Some(hello)
    (child, hello)
  }

  private def broken(child: ServiceProcess, failure: ServiceFailure, poisoned: Boolean): ServiceUnavailable = {
    child.kill()
    process = None
    backOff(failure.getMessage)
    val refusal =
      if (failure.timedOut) Refusal("SW402", "what" -> failure.getMessage)
      else if (!poisoned) Refusal("SW401", "python" -> command.python, "reason" -> failure.getMessage) // it never said hello
      else Refusal("SW404", "reason" -> failure.getMessage)
    warn(refusal)
    new ServiceUnavailable(refusal, poisoned)
  }

  private def failedStart(reason: String): ServiceUnavailable = {
    backOff(reason)
    val refusal = Refusal("SW401", "python" -> command.python, "reason" -> reason)
    warn(refusal)
    new ServiceUnavailable(refusal, poisoned = false)
  }

  private def backOff(reason: String): Unit = {
    failed.incrementAndGet()
    failures += 1
    lastFailure = reason
    val wait = math.min(math.pow(4, math.min(failures - 1, 8)).toLong, ServiceClient.MaxBackOffSeconds)
    backOffUntil = System.nanoTime() + TimeUnit.SECONDS.toNanos(wait)
  }

  private def warn(refusal: Refusal): Unit =
    WarnOnce(s"service:${refusal.code}:${command.python}", s"SparkWeld: queries run as Spark planned them. ${refusal.text}")

  private def remaining(deadline: Long): Long = math.max(1L, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime()))

  private def seconds(ms: Long): String = f"${ms / 1000.0}%.1f s"

  private def firstLine(text: String): String = text.linesIterator.nextOption().getOrElse("")
}

object ServiceClient {
  val Protocol = 3
  private val StartLimitMs = 60000L
  private val MaxBackOffSeconds = 300L
}
