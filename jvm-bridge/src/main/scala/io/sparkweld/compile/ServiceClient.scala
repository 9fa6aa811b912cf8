package io.sparkweld
package compile

import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, ExecutionException, Executors, TimeUnit, TimeoutException}
import java.util.concurrent.atomic.{AtomicBoolean, AtomicLong}
import java.util.concurrent.locks.ReentrantLock

import io.sparkweld.SparkWeldConf
import io.sparkweld.contract.{Constants, Decoder, HelloReply}
import io.sparkweld.host.{Later, ProcessMemory}
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.SparkConf
import org.apache.spark.internal.Logging

/**
 * Reports a request that got no reply, with the refusal to record. `poisoned`: the request itself ended the child; `lasting`: it
 * would do so again.
 */
final class ServiceUnavailable(val refusal: Refusal, val poisoned: Boolean, val lasting: Boolean = false)
  extends RuntimeException(refusal.message)

/**
 * Sends requests to the compile service of one interpreter and environment.
 *
 * Requests run one at a time in threads of their own, as long as they use the CPU and stay within their limit. A caller may stop
 * waiting at any time; a later query finds the answer.
 *
 * A request that ends the child, or must be ended, does not affect the others: a new child starts at once. Back-off (1 s, 4 s, 16
 * s ... 5 min) applies only to a child that cannot start, or that ends repeatedly (then 4 s at most); meanwhile requests fail at
 * once. While one request takes long and others wait, the others get another child.
 */
final class ServiceClient(command: ServiceCommand, conf: SparkConf) extends Logging {
  private val recycleBytes = SparkWeldConf.RecycleMemory.get(conf)
  private val turn = new ReentrantLock(true) // guards the six fields below
  private var process: Option[ServiceProcess] = None
  private var said: Option[HelloReply] = None
  private var failures = 0
  private var answers = 0 // of the child
  @volatile private var backOffUntil = System.nanoTime()
  private var lastFailure = ""
  private val children = ConcurrentHashMap.newKeySet[ServiceProcess]()
  private val aside = new AtomicBoolean() // a request has taken its child aside
  @volatile private var greeted = false
  @volatile private var watch = Option.empty[CpuWatch] // of the child, while a request is under way
  @volatile private var silent = false
  @volatile private var closed = false

  val starts = new AtomicLong()
  val failed = new AtomicLong()

  /** Whether a child has sent its greeting, so that requests do not wait for its start. */
  def isReady: Boolean = greeted

  /** Whether a query waited in vain for a child that did not work, and no answer has come since: then no query waits for it. */
  def isSilent: Boolean = silent

  /** Whether requests fail at once, or no query waits for them. */
  def isUnavailable: Boolean = silent || System.nanoTime() - backOffUntil < 0

  /** Records that a caller stopped waiting after `ms`. When the child does not work, another one is started. */
  def waitedInVain(ms: Long): Unit = if (ms > 0 && !silent && watch.exists(_.idle * 2 >= ms)) {
    silent = true
    WarnOnce(s"service:silent:${command.python}", s"SparkWeld: the compile service of ${command.python} has not answered in $ms ms and " +
      "does not work. Queries run as Spark planned them, without waiting, until it answers.")
    startAnew()
  }

  /** Starts the child unless it runs, and returns its greeting. Throws ServiceUnavailable. */
  def hello(timeoutMs: Long): HelloReply = {
    val later = greet()
    try later.get(timeoutMs, TimeUnit.MILLISECONDS)
    catch {
      case _: TimeoutException => throw new ServiceUnavailable(Refusal("SW402", "what" -> "it is still starting"), poisoned = false)
      case wrapped: ExecutionException => throw ServiceClient.unavailable(wrapped.getCause)
    }
  }

  /** Returns the child's greeting; starts the child unless it runs. Fails with ServiceUnavailable. */
  def greet(): CompletableFuture[HelloReply] = inTurn(new Request(_).greeting())

  /**
   * Returns the reply to one request, which may use `cpuMs` of CPU time; Left with the reason when the child has no Numba. Fails
   * with ServiceUnavailable.
   */
  def submit(request: Product, blobs: Seq[Array[Byte]], cpuMs: Long): CompletableFuture[Either[String, Frame]] =
    inTurn(new Request(_).reply(request, blobs, cpuMs))

  /** Returns the child's process id while one runs. */
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

  /** Starts a child as soon as the back-off allows, so that the next request need not wait for its start. */
  private def startAnew(): Unit = {
    val wait = math.max(backOffUntil - System.nanoTime(), 0L)
    Later.run(wait, TimeUnit.NANOSECONDS, ServiceClient.threads) { () =>
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

    /** Takes `child` aside when it delays others, who then start another one. */
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

    /** Counts a failure of the service; that of a child taken aside does not count, because the others have a new child. */
    def count(reason: String, free: Int, mostSeconds: Long): Unit = if (taken.isEmpty) backOff(reason, free, mostSeconds)

    /** Records that the child has answered. */
    def answered(): Unit = if (taken.isEmpty) silent = false
  }

  /** One use of the child. */
  private final class Request(mine: Turn) {

    def greeting(): HelloReply = running()._2

    def reply(request: Product, blobs: Seq[Array[Byte]], cpuMs: Long): Either[String, Frame] = {
      val (child, hello) = running()
      ServiceClient.numbaError(hello).toLeft {
        val frame = limited(child, request, blobs, cpuMs)
        if (frame.status == Frame.Stale) anew(child)(limited(_, request, blobs, cpuMs)) else frame
      }
    }

    /** Asks another child, after `child` reported a changed module that it cannot import again. */
    private def anew(child: ServiceProcess)(ask: ServiceProcess => Frame): Frame = {
      retire(child)
      val frame = Option.unless(mine.isAside)(ask(running()._1)).filter(_.status != Frame.Stale)
      frame.getOrElse(throw new ServiceUnavailable(Refusal("SW402", "what" -> "modules change while it reads them"), poisoned = false))
    }

    private def limited(child: ServiceProcess, request: Product, blobs: Seq[Array[Byte]], cpuMs: Long): Frame = {
      val frame =
        try exchanged(child, request, blobs, cpuMs + cpuMs / 2 + ServiceClient.GraceMs)
        catch { case failure: ServiceFailure => throw ended(child, failure, cpuMs) }
      mine.answered()
      if (!frame.retires) failures = 0
      if (frame.retires || isWorn(child)) retire(child)
      frame
    }

    /** Whether the child has grown so much that a new one is better: Python frees memory of traced functions only in part. */
    private def isWorn(child: ServiceProcess): Boolean = if (mine.isAside || recycleBytes <= 0) false else {
      answers += 1
      val worn = answers % ServiceClient.AnswersPerCheck == 0 && ProcessMemory.residentBytes(child.pid).exists(_ > recycleBytes)
      if (worn) logInfo(s"SparkWeld: compile service ${child.pid} of ${command.python} is replaced after $answers answers")
      worn
    }

    /** Sends payloads by digest when the child had them before, and sends their bytes again when it has evicted them. */
    private def exchanged(child: ServiceProcess, request: Product, blobs: Seq[Array[Byte]], limitMs: Long): Frame = {
      val digests = blobs.map(Digests.of)
      def send(now: Seq[Int]): Frame = {
        val reply = child.call(request, digests, now, now.map(blobs))
        watched(child, limitMs)(child.poll(reply, _))
      }
      val frame = send(blobs.indices.filterNot(at => child.known.contains(digests(at))))
      if (child.known.size > ServiceClient.MostKnown) child.known.clear()
      digests.foreach(child.known += _)
      if (frame.status == Frame.Needs) send(blobs.indices) else frame
    }

    private def running(): (ServiceProcess, HelloReply) = {
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
      answers = 0
      said = None
      child
    }

    private def welcomed(child: ServiceProcess): (ServiceProcess, HelloReply) = {
      val frame =
        try watched(child, ServiceClient.StartMs)(child.hello)
        catch {
          case failure: ServiceFailure =>
            child.kill()
            mine.forget(child)
            throw failedStart(failure.getMessage)
        }
      val hello = ServiceClient.helloOf(frame).fold(reason => {
        child.kill()
        mine.forget(child)
        throw failedStart(reason)
      }, identity)
      logInfo(s"SparkWeld: compile service ${child.pid} of ${command.python} is ready: ${hello.versions}")
      said = Some(hello)
      greeted = true
      mine.answered()
      (child, hello)
    }

    /** Polls without a time limit until there is a result, while the child works and stays within its CPU limit. */
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

    /** Ends the child because of a fault of the request itself; the next request gets another child. */
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

    /** Retires a child that was interrupted or has grown; it is not used again. */
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

  /** @param free number of consecutive failures after which another child still starts at once */
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
  /** Ten times the CPU time to import Numba and pandas. */
  private val StartMs = 60000L
  private val MaxBackOffSeconds = 300L
  private val AnswersPerCheck = 16
  /** For a child that starts and is then ended by a request; which request is at fault is unknown until the others were tried. */
  private val MaxEndedSeconds = 4L
  private val PollMs = 100L
  /** On top of a request's own limit: for work that cannot be interrupted at once, and for threads beside the working one. */
  private val GraceMs = 3000L
  /** Children that may end consecutively, perhaps by as many functions, before the service itself is suspected. */
  private val FreeEnds = 2
  private val MostWaiting = 256
  /** Bounds the digests remembered here; the child caches fewer payloads. */
  private val MostKnown = 8192

  private val threads = Executors.newCachedThreadPool { (body: Runnable) =>
    val thread = new Thread(body, "sparkweld-request")
    thread.setDaemon(true)
    thread
  }

  /** Returns the greeting of a service of this release, or why it is none. Another protocol may have other keys. */
  private def helloOf(frame: Frame): Either[String, HelloReply] = {
    val (other, own) = (Decoder.result[Int](frame.json.path("protocol")).getOrElse(0), Constants.shared.protocol)
    if (frame.status == Frame.Ok && other != own) {
      Left(s"it speaks protocol $other, this jar speaks $own: the jar and the Python package are from different releases")
    } else frame.answer[HelloReply].left.map(_.head.message)
  }

  /** Returns why the service generates no code, if so. */
  private def numbaError(hello: HelloReply): Option[String] =
    hello.numbaError.orElse(Option.when(hello.versions.get("numba").flatten.isEmpty)("numba is not installed"))

  /** Converts the failure of a future. */
  def unavailable(problem: Throwable): ServiceUnavailable = problem match {
    case gone: ServiceUnavailable => gone
    case other => new ServiceUnavailable(Refusal("SW511", "reason" -> other.toString), poisoned = false)
  }
}
