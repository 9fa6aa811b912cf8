package io.sparkweld.compile

import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, ExecutionException, Executors, TimeUnit, TimeoutException}
import java.util.concurrent.atomic.{AtomicBoolean, AtomicLong}
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
 * A request that got no reply, as the refusal to record. `poisoned`: the request itself ended the child; `lasting`: it would do
 * so again.
 */
final class ServiceUnavailable(val refusal: Refusal, val poisoned: Boolean, val lasting: Boolean = false)
  extends RuntimeException(refusal.message)

/**
 * The compile service of one interpreter and environment. Requests run in threads of their own, one at a time, for as long as
 * they use the CPU and no more of it than they may: who asked waits as long as it likes, and a later query finds the answer.
 *
 * A request that ends the child, or has to be ended, is no fault of the others: a new child starts at once. Only one that cannot
 * start, or ends again and again (then 4 s at most), is started with back-off (1 s, 4 s, 16 s ... 5 min); meanwhile requests fail at once. While a
 * request takes long and others wait, they get a child of their own.
 */
final class ServiceClient(command: ServiceCommand, conf: SparkConf) extends Logging {
  private val turn = new ReentrantLock(true) // guards the five fields below
  private var process: Option[ServiceProcess] = None
  private var said: Option[Hello] = None
  private var failures = 0
  @volatile private var backOffUntil = System.nanoTime()
  private var lastFailure = ""
  private val children = ConcurrentHashMap.newKeySet[ServiceProcess]()
  private val aside = new AtomicBoolean() // a request has taken its child with it
  @volatile private var greeted = false
  @volatile private var watch = Option.empty[CpuWatch] // of the child, while something is asked of it
  @volatile private var silent = false
  @volatile private var closed = false

  val starts = new AtomicLong()
  val failed = new AtomicLong()

  /** Whether a child has said what it is, so that a request is worked on rather than waits for the start. */
  def isReady: Boolean = greeted

  /** Whether somebody has waited in vain for a child that did not work, and it has not answered since: nobody waits for it then. */
  def isSilent: Boolean = silent

  /** Somebody has waited `ms` for a reply and waits no longer. When the child does not work, another one is started. */
  def waitedInVain(ms: Long): Unit = if (ms > 0 && !silent && watch.exists(_.idle * 2 >= ms)) {
    silent = true
    WarnOnce(s"service:silent:${command.python}", s"SparkWeld: the compile service of ${command.python} has not answered in $ms ms and " +
      "does not work. Queries run as Spark planned them, without waiting, until it answers.")
    startAnew()
  }

  /** Starts the child unless it runs, and returns what it said. Throws ServiceUnavailable. */
  def hello(timeoutMs: Long): Hello = {
    val later = greet()
    try later.get(timeoutMs, TimeUnit.MILLISECONDS)
    catch {
      case _: TimeoutException => throw new ServiceUnavailable(Refusal("SW402", "what" -> "it is still starting"), poisoned = false)
      case wrapped: ExecutionException => throw ServiceClient.unavailable(wrapped.getCause)
    }
  }

  /** What the child says of itself; started unless it runs. Fails with ServiceUnavailable. */
  def greet(): CompletableFuture[Hello] = inTurn(new Request(_).greeting())

  /**
   * The reply to one request, which may use `cpuMs` of CPU time; None when the child has no Numba. Fails with
   * ServiceUnavailable.
   */
  def submit(json: ObjectNode, blobs: Seq[Array[Byte]], cpuMs: Long): CompletableFuture[Either[String, Frame]] =
    inTurn(new Request(_).reply(json, blobs, cpuMs))

  /** The child's process id while one runs. */
  def pid: Option[Long] = process.filter(_.isAlive).map(_.pid)

  def close(): Unit = {
    closed = true
    val mine = turn.tryLock(1, TimeUnit.SECONDS)
    try process.foreach(child => if (mine) child.shutdown() else child.kill())
    finally if (mine) turn.unlock()
    children.forEach(_.kill())
  }

  private def inTurn[T](body: Turn => T): CompletableFuture[T] = {
    val made = new CompletableFuture[T]()
    if (turn.getQueueLength >= ServiceClient.MostWaiting) {
      val busy = Refusal("SW402", "what" -> s"${ServiceClient.MostWaiting} requests wait for it")
      made.completeExceptionally(new ServiceUnavailable(busy, poisoned = false))
    } else ServiceClient.threads.execute { () =>
      val mine = new Turn
      try made.complete(body(mine))
      catch { case problem: Throwable => made.completeExceptionally(problem) }
      finally mine.end()
    }
    made
  }

  /** As soon as the back-off allows, so that who asks then need not wait for the start. */
  private def startAnew(): Unit = {
    val wait = math.max(backOffUntil - System.nanoTime(), 0L)
    CompletableFuture.delayedExecutor(wait, TimeUnit.NANOSECONDS, ServiceClient.threads).execute { () =>
      if (!closed) greet().whenComplete { (_, problem) =>
        if (problem != null) logDebug(s"SparkWeld: the compile service does not start again: ${problem.getMessage}")
      }
    }
  }

  /** The right to use the child, from now until `end` or `leave`. */
  private final class Turn {
    private var taken: Option[ServiceProcess] = None
    turn.lock()

    def isAside: Boolean = taken.isDefined

    def end(): Unit = taken match {
      case None => turn.unlock()
      case Some(child) =>
        child.shutdown()
        children.remove(child)
        aside.set(false)
    }

    /** Takes `child` aside when it holds up others, who start another one. */
    def leave(child: ServiceProcess): Unit =
      if (taken.isEmpty && turn.hasQueuedThreads && aside.compareAndSet(false, true)) {
        taken = Some(child)
        clear()
        turn.unlock()
      }

    def forget(child: ServiceProcess): Unit = {
      if (taken.isEmpty) clear()
      children.remove(child)
    }

    /** Counts a fault of the service; one of a child that was taken aside is known by now. */
    def count(reason: String, free: Int, mostSeconds: Long): Unit = if (taken.isEmpty) backOff(reason, free, mostSeconds)

    /** The child has answered. */
    def answered(): Unit = if (taken.isEmpty) silent = false
  }

  /** One use of the child. */
  private final class Request(mine: Turn) {

    def greeting(): Hello = running()._2

    def reply(json: ObjectNode, blobs: Seq[Array[Byte]], cpuMs: Long): Either[String, Frame] = {
      val (child, hello) = running()
      hello.numbaError.toLeft {
        val frame = limited(child, json, blobs, cpuMs)
        if (frame.status == "stale") anew(child)(limited(_, json, blobs, cpuMs)) else frame
      }
    }

    /** The reply of another child, after `child` found that a module has changed which it cannot import again. */
    private def anew(child: ServiceProcess)(ask: ServiceProcess => Frame): Frame = {
      retire(child)
      val frame = Option.unless(mine.isAside)(ask(running()._1)).filter(_.status != "stale")
      frame.getOrElse(throw new ServiceUnavailable(Refusal("SW402", "what" -> "modules change while it reads them"), poisoned = false))
    }

    private def limited(child: ServiceProcess, json: ObjectNode, blobs: Seq[Array[Byte]], cpuMs: Long): Frame = {
      val frame =
        try exchanged(child, json, blobs, cpuMs + cpuMs / 2 + ServiceClient.GraceMs)
        catch { case failure: ServiceFailure => throw ended(child, failure, cpuMs) }
      mine.answered()
      if (frame.json.path("retire").asBoolean) retire(child)
      else failures = 0
      frame
    }

    /** Payloads go by digest when the child had them before, and are sent again when it keeps them no longer. */
    private def exchanged(child: ServiceProcess, json: ObjectNode, blobs: Seq[Array[Byte]], limitMs: Long): Frame = {
      val digests = blobs.map(Digests.of)
      if (blobs.nonEmpty) digests.foldLeft(json.putArray("digests"))((array, digest) => array.add(digest))
      def send(now: Seq[Int]): Frame = {
        if (blobs.nonEmpty) now.foldLeft(json.putArray("sent"))((array, at) => array.add(at))
        val reply = child.call(json, now.map(blobs))
        watched(child, limitMs)(child.poll(reply, _))
      }
      val frame = send(blobs.indices.filterNot(at => child.known.contains(digests(at))))
      if (child.known.size > ServiceClient.MostKnown) child.known.clear()
      digests.foreach(child.known += _)
      if (frame.status == "needs") send(blobs.indices) else frame
    }

    private def running(): (ServiceProcess, Hello) = {
      if (closed) throw stopping
      (process, said) match {
        case (Some(child), Some(hello)) if child.isAlive => (child, hello)
        case (previous, _) =>
          previous.foreach { child => // it died between two requests: start again at once
            child.kill()
            children.remove(child)
          }
          welcomed(start())
      }
    }

    private def start(): ServiceProcess = {
      val wait = backOffUntil - System.nanoTime()
      if (failures > 0 && wait > 0) {
        val left = CpuWatch.seconds(TimeUnit.NANOSECONDS.toMillis(wait))
        throw new ServiceUnavailable(
          Refusal("SW403", "seconds" -> left, "reason" -> firstLine(lastFailure)), poisoned = false)
      }
      starts.incrementAndGet()
      val child =
        try new ServiceProcess(command.python, command.variables(conf))
        catch { case problem: java.io.IOException => throw failedStart(problem.getMessage) }
      children.add(child)
      if (closed) child.kill()
      process = Some(child)
      said = None
      child
    }

    private def welcomed(child: ServiceProcess): (ServiceProcess, Hello) = {
      val hello =
        try watched(child, ServiceClient.StartMs)(child.hello)
        catch {
          case failure: ServiceFailure =>
            child.kill()
            mine.forget(child)
            throw failedStart(failure.getMessage)
        }
      val wrong =
        if (hello.status != "ok") Some(hello.message)
        else Option.when(hello.protocol != ServiceClient.Protocol)(
          s"it speaks protocol ${hello.protocol}, this jar speaks ${ServiceClient.Protocol}: " +
            "the jar and the Python package are of different releases")
      wrong.foreach { reason =>
        child.kill()
        mine.forget(child)
        throw failedStart(reason)
      }
      logInfo(s"SparkWeld: compile service ${child.pid} of ${command.python} is ready: ${hello.json.path("versions")}")
      said = Some(hello)
      greeted = true
      mine.answered()
      (child, hello)
    }

    /** What `poll` finds, however long it takes, while the child works and keeps its limit. */
    private def watched[T](child: ServiceProcess, cpuMs: Long)(poll: Long => Option[T]): T = {
      val mark = new CpuWatch(cpuMs, () => child.cpuMs)
      if (!mine.isAside) watch = Some(mark)
      var found = poll(ServiceClient.PollMs)
      while (found.isEmpty) {
        try mark.check()
        catch { case stuck: ServiceStuck if stuck.slept && child.isStopped => throw new ServiceStopped }
        if (mark.isHog) mine.leave(child)
        found = poll(ServiceClient.PollMs)
      }
      found.get
    }

    /** The request's own fault: the next one finds another child. */
    private def ended(child: ServiceProcess, failure: ServiceFailure, cpuMs: Long): ServiceUnavailable = {
      child.kill()
      mine.forget(child)
      if (closed) stopping
      else {
        mine.count(failure.getMessage, ServiceClient.FreeEnds, ServiceClient.MaxEndedSeconds)
        failed.incrementAndGet()
        val (refusal, lasting) = failure match {
          case stuck: ServiceStuck if stuck.slept => (Refusal("SW404", "reason" -> failure.getMessage), true)
          case _: ServiceStuck => (Refusal("SW408", "what" -> "The request", "limit" -> CpuWatch.seconds(cpuMs)), true)
          case _ => (Refusal("SW404", "reason" -> failure.getMessage), false)
        }
        warn(refusal)
        startAnew()
        new ServiceUnavailable(refusal, poisoned = !failure.isInstanceOf[ServiceStopped], lasting)
      }
    }

    /** A child that was interrupted is not used again. */
    private def retire(child: ServiceProcess): Unit = {
      mine.forget(child)
      ServiceClient.threads.execute(() => child.shutdown())
      startAnew()
    }

    private def failedStart(reason: String): ServiceUnavailable =
      if (closed) stopping
      else {
        mine.count(reason, free = 0, ServiceClient.MaxBackOffSeconds)
        failed.incrementAndGet()
        val refusal = Refusal("SW401", "python" -> command.python, "reason" -> reason)
        warn(refusal)
        new ServiceUnavailable(refusal, poisoned = false)
      }
  }

  private def clear(): Unit = {
    process = None
    said = None
    greeted = false
  }

  /** @param free so many failures in a row have another child started at once */
  private def backOff(reason: String, free: Int, mostSeconds: Long): Unit = {
    failures += 1
    lastFailure = reason
    val wait = math.min(math.pow(4, math.min(failures - 1 - free, 8)).toLong, mostSeconds)
    backOffUntil = System.nanoTime() + (if (failures > free) TimeUnit.SECONDS.toNanos(wait) else 0L)
  }

  private def stopping: ServiceUnavailable =
    new ServiceUnavailable(Refusal("SW404", "reason" -> "the application is stopping"), poisoned = false)

  private def warn(refusal: Refusal): Unit =
    WarnOnce(s"service:${refusal.code}:${command.python}", s"SparkWeld: queries run as Spark planned them. ${refusal.text}")

  private def firstLine(text: String): String = text.linesIterator.nextOption().getOrElse("")
}

object ServiceClient {
  val Protocol = 3
  /** CPU time to import Numba and pandas, ten times over. */
  private val StartMs = 60000L
  private val MaxBackOffSeconds = 300L
  /** A child that starts and then ends by a request: by which, nobody knows before the others have been tried. */
  private val MaxEndedSeconds = 4L
  private val PollMs = 100L
  /** Above what a request may use by its own account: what is not interrupted at once, and threads beside the one that works. */
  private val GraceMs = 3000L
  /** So many children may end in a row, by what may be so many functions, before the service itself is in doubt. */
  private val FreeEnds = 2
  private val MostWaiting = 256
  /** The child keeps fewer payloads than this. */
  private val MostKnown = 8192

  private val threads = Executors.newCachedThreadPool { (body: Runnable) =>
    val thread = new Thread(body, "sparkweld-request")
    thread.setDaemon(true)
    thread
  }

  /** What a future failed with. */
  def unavailable(problem: Throwable): ServiceUnavailable = problem match {
    case gone: ServiceUnavailable => gone
    case other => new ServiceUnavailable(Refusal("SW511", "reason" -> other.toString), poisoned = false)
  }
}
