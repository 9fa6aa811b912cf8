package io.sparkweld
package compile

import java.io.{BufferedInputStream, BufferedOutputStream, InputStreamReader}
import java.io.{DataInputStream, DataOutputStream, IOException}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import java.util.Locale
import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, Executors, ExecutionException, TimeUnit, TimeoutException}
import java.util.concurrent.atomic.AtomicLong

import scala.collection.mutable
import scala.util.control.NonFatal

import io.sparkweld.contract.{Envelope, PlainRequest}
import io.sparkweld.host.{Processes, PythonLaunch, SafeFiles}

import org.apache.spark.internal.Logging

/**
 * Runs one `PYTHON -m udf_compiler.service`, in an empty folder of its own and with the environment `variables`.
 *
 * One thread reads replies. Another drains standard error into the debug log and keeps its tail for messages. The child ends when
 * its standard input closes, so it cannot outlive this JVM.
 */
final class ServiceProcess(python: String, variables: Map[String, String]) extends Logging {
  private val folder = SafeFiles.newPrivateFolder()
  private val process: Process =
    try PythonLaunch.builder(python, Seq("-m", "udf_compiler.service"), variables, folder).start()
    catch {
      case problem: IOException =>
        SafeFiles.delete(folder)
        throw problem
    }
  private val output = new DataOutputStream(new BufferedOutputStream(process.getOutputStream, 1 << 16))
  private val waiting = new ConcurrentHashMap[Long, CompletableFuture[Frame]]()
  private val nextId = new AtomicLong()
  private val tail = mutable.Queue.empty[String]
  @volatile private var ended: Option[String] = None
  private val born = System.nanoTime()
  @volatile private var reported: Option[Long] = None

  private val errors: Thread = daemon("stderr", () => drainErrors())
  daemon("replies", () => readReplies())

  /** Digests of the payloads that the child has received. Only the holder of the turn reads and changes it. */
  val known: mutable.Set[String] = mutable.HashSet.empty

  def pid: Long = Processes.pid(process)

  def isAlive: Boolean = ended.isEmpty && process.isAlive

  def ageMs: Long = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - born)

  /** Sent at once; answered when the child has finished its imports. */
  private val greeting = send(PlainRequest("hello"), None, None, Nil)

  /** Returns the child's greeting if it arrives within `timeoutMs`. Throws ServiceFailure when the child has ended. */
  def hello(timeoutMs: Long): Option[Frame] = poll(greeting, timeoutMs)

  /**
   * Sends a request with those of its payloads that are `sent`; `digests`: of all. The future fails with ServiceFailure when the
   * child ends. One request is under way at a time.
   */
  def call(request: Product, digests: Seq[String], sent: Seq[Int], blobs: Seq[Array[Byte]]): CompletableFuture[Frame] =
    send(request, Option.when(digests.nonEmpty)(digests), Option.when(digests.nonEmpty)(sent), blobs)

  /** Returns the reply if it arrives within `timeoutMs`. Throws ServiceFailure when the child has ended. */
  def poll(reply: CompletableFuture[Frame], timeoutMs: Long): Option[Frame] =
    try Some(reply.get(timeoutMs, TimeUnit.MILLISECONDS))
    catch {
      case _: TimeoutException => None
      case wrapped: ExecutionException => throw new ServiceFailure(endReason(wrapped.getCause))
    }

  /**
   * Returns the CPU time of all threads of the child so far, or its age where the system does not report CPU time. The system
   * reports none of a child that has ended either; the last time then stays.
   */
  def cpuMs: Long = {
    reported = Processes.cpuMs(process).orElse(reported)
    reported.getOrElse(ageMs)
  }

  /** Whether a signal has stopped the child, so that it cannot work. */
  def isStopped: Boolean =
    try new String(Files.readAllBytes(Paths.get(s"/proc/$pid/stat")), UTF_8).replaceFirst("(?s).*\\)\\s*", "").toLowerCase(Locale.ROOT).startsWith("t")
    catch { case _: IOException => false } // it has ended, or there is no /proc

  private def send(
      request: Product,
      digests: Option[Seq[String]],
      sent: Option[Seq[Int]],
      blobs: Seq[Array[Byte]]): CompletableFuture[Frame] = {
    val id = nextId.incrementAndGet()
    val reply = new CompletableFuture[Frame]()
    waiting.put(id, reply)
    // in a thread of its own: a full pipe blocks the writer, and a child that hangs fills the pipe
    ServiceProcess.writers.execute { () =>
      try output.synchronized(Frame.write(output, request, Envelope(id, digests, sent), blobs))
      catch { case problem @ (NonFatal(_) | _: OutOfMemoryError) => reply.completeExceptionally(problem) }
    }
    ended.foreach(reason => reply.completeExceptionally(new ServiceFailure(reason)))
    reply.whenComplete((_, _) => waiting.remove(id))
    reply
  }

  def kill(): Unit = {
    process.destroyForcibly()
    try output.close()
    catch { case _: IOException => logDebug("SparkWeld: the pipe to the compile service was already broken") }
  }

  /** Asks the child to end and kills it when it has not ended after a second. */
  def shutdown(): Unit = {
    try poll(send(PlainRequest("shutdown"), None, None, Nil), 500)
    catch { case failure: ServiceFailure => logDebug(s"SparkWeld: compile service at shutdown: ${failure.getMessage}") }
    if (!process.waitFor(500, TimeUnit.MILLISECONDS)) logDebug("SparkWeld: the compile service is killed")
    kill()
  }

  private def readReplies(): Unit = {
    val input = new DataInputStream(new BufferedInputStream(process.getInputStream, 1 << 16))
    val reason =
      try {
        while (true) {
          val frame = Frame.read(input)
          val reply = waiting.get(frame.id.getOrElse(-1L))
          if (reply != null) reply.complete(frame)
        }
        ""
      } catch { case problem @ (NonFatal(_) | _: OutOfMemoryError) => endReason(problem) } // of the heap: a reply is one array
    ended = Some(reason)
    process.destroyForcibly()
    SafeFiles.delete(folder)
    waiting.values().forEach(reply => reply.completeExceptionally(new ServiceFailure(reason)))
  }

  private def drainErrors(): Unit = {
    val reader = new InputStreamReader(process.getErrorStream, UTF_8)
    val (chunk, line) = (new Array[Char](8192), new StringBuilder)
    // a module may print gigabytes without a line break
    def add(text: String): Unit = line.append(text.take(ServiceProcess.LineChars - line.length))
    def ends(): Unit = {
      val text = line.result()
      line.clear()
      logDebug(s"compile service: $text")
      tail.synchronized {
        tail.enqueue(text)
        if (tail.size > ServiceProcess.TailLines) tail.dequeue()
      }
    }
    try {
      var count = reader.read(chunk)
      while (count >= 0) {
        val pieces = new String(chunk, 0, count).split("\n", -1)
        pieces.init.foreach { piece =>
          add(piece)
          ends()
        }
        add(pieces.last)
        count = reader.read(chunk)
      }
      if (line.nonEmpty) ends()
    } catch { case problem: IOException => logDebug(s"compile service: standard error closed: ${problem.getMessage}") }
  }

  private def endReason(problem: Throwable): String = problem match {
    case failure: ServiceFailure => failure.getMessage
    case _ =>
      val status = if (process.waitFor(1, TimeUnit.SECONDS)) s"exit status ${process.exitValue()}" else problem.toString
      errors.join(500)
      val said = tail.synchronized(tail.mkString("\n"))
      s"the process ended ($status)" + (if (said.isEmpty) "" else s"; its standard error:\n$said")
  }

  private def daemon(name: String, body: Runnable): Thread = {
    val thread = new Thread(body, s"sparkweld-service-$name")
    thread.setDaemon(true)
    thread.start()
    thread
  }
}

object ServiceProcess {
  private val TailLines = 20
  private val LineChars = 500

  private val writers = Executors.newCachedThreadPool { (body: Runnable) =>
    val thread = new Thread(body, "sparkweld-service-writer")
    thread.setDaemon(true)
    thread
  }
}

/** Reports that the compile service did not answer. */
class ServiceFailure(message: String) extends RuntimeException(message)

/** Reports that a signal has stopped the service, which is not the request's fault. */
final class ServiceStopped extends ServiceFailure("a signal had stopped it (SIGSTOP)")

/**
 * Reports that the service exceeded its CPU limit, or used no CPU for so long that it must wait for an event that never comes.
 */
final class ServiceStuck(message: String, val slept: Boolean) extends ServiceFailure(message)
