package io.sparkweld.compile

import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, ExecutionException, Executors, TimeUnit, TimeoutException}
import java.util.concurrent.atomic.AtomicLong

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.Translation.Translation
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.SparkConf
import org.apache.spark.internal.Logging

/**
 * Turns pipeline requests into programs and programs into object code, by the compile services of this JVM: one
 * service for each interpreter and environment, replies remembered by request, object code by program, each asked for
 * once at a time.
 */
final class Compiler(conf: SparkConf) extends Logging {
  private val replies = new Lru[(String, Set[Int]), CompileReply](SparkWeldConf.CachedReplies.get(conf))
  private val translations = new Lru[String, Translation](SparkWeldConf.CachedReplies.get(conf))
  private val requests = new Lru[String, PipelineRequest](Compiler.RequestsPerReply * SparkWeldConf.CachedReplies.get(conf))
  private val objects = new Lru[String, CompletableFuture[ObjectCode]](SparkWeldConf.CachedReplies.get(conf))
  private val models = new ModelBlocks(SparkWeldConf.ModelsMemory.get(conf))
  private val offences = new Lru[String, Integer](1024)
  private val services = new ConcurrentHashMap[ServiceCommand, ServiceClient]()
  private val objectTimeout = SparkWeldConf.ObjectTimeout.get(conf)
  private val background = Executors.newFixedThreadPool(2, (body: Runnable) => {
    val thread = new Thread(body, "sparkweld-compile")
    thread.setDaemon(true)
    thread
  })

  val asked = new AtomicLong()
  val answeredFromCache = new AtomicLong()
  val refused = new AtomicLong()

  /** Starts the service in the background, so that the first query need not wait for its imports. */
  def warmUp(command: ServiceCommand): Unit = background.execute { () =>
    try client(command).hello(Compiler.WarmUpMs)
    catch { case gone: ServiceUnavailable => logInfo(s"SparkWeld: warming up: ${gone.getMessage}") }
  }

  /**
   * The program of `request` with NULLs in the inputs `nullable`, or the refusals. Waits at most `timeoutMs`. A reply
   * is remembered; that the service was away is not, except for a request that broke the service twice.
   */
  def compile(request: PipelineRequest, nullable: Set[Int], timeoutMs: Long): CompileReply = {
    requests.put(request.key, request)
    val key = (request.key, nullable)
    replies.get(key).filter(unchanged).flatMap(withModels) match {
      case Some(reply) =>
        answeredFromCache.incrementAndGet()
        reply
      case None =>
        asked.incrementAndGet()
        val reply = ask(request, nullable, timeoutMs)
        reply match {
          case Refused(refusals, lasting) if !lasting || refusals.exists(Compiler.passing) => ()
          case made: Compiled =>
            made.models.foreach(models.put)
            replies.put(key, made.copy(models = Nil)) // bytes are bounded apart from the number of replies
          case _ => replies.put(key, reply)
        }
        if (reply.isInstanceOf[Refused]) refused.incrementAndGet()
        reply
    }
  }

  /**
   * What the service makes of a request for Catalyst expressions (`op` aggregate or twin), or the refusals. Waits and
   * remembers as `compile`.
   */
  def translate(request: PipelineRequest, timeoutMs: Long): Translation = translations.get(request.key) match {
    case Some(known) =>
      answeredFromCache.incrementAndGet()
      known
    case None =>
      asked.incrementAndGet()
      val made = exchange(request, request.json, timeoutMs).flatMap(Translation.read)
      if (made.isLeft) refused.incrementAndGet()
      if (!made.left.exists(_.exists(Compiler.passing))) translations.put(request.key, made)
      made
  }

  /** Makes a request known to `compileKnown`; nothing is compiled yet. */
  def register(request: PipelineRequest): Unit = requests.put(request.key, request)

  /**
   * The request that is answered with the program `made` and no other, whatever becomes of the files that its functions load:
   * forms of it are known by it.
   */
  def settled(request: PipelineRequest, made: Compiled): PipelineRequest = {
    val wanting = request.wanting(made.files)
    if (wanting ne request) {
      requests.put(wanting.key, wanting)
      replies.put((wanting.key, Set.empty[Int]), made.copy(models = Nil))
    }
    wanting
  }

  /** As `compile`, for a request that was compiled before; None when it is no longer known. */
  def compileKnown(requestKey: String, nullable: Set[Int], timeoutMs: Long): Option[(PipelineRequest, CompileReply)] =
    requests.get(requestKey).map(request => (request, compile(request, nullable, timeoutMs)))

  /** Has the object code of `program` made in the background, so that a task that wants it need not wait as long. */
  def prefetch(command: ServiceCommand, program: String, hash: String): Unit = pending(command, program, hash)

  /** The object code of `program` for this host's CPU. Throws ServiceUnavailable. */
  def objectCode(command: ServiceCommand, program: String, hash: String): ObjectCode = {
    val future = pending(command, program, hash)
    try future.get(objectTimeout, TimeUnit.MILLISECONDS)
    catch {
      case _: TimeoutException =>
        throw new ServiceUnavailable(Refusal("SW402", "what" -> s"no object code in $objectTimeout ms"), poisoned = false)
      case wrapped: ExecutionException =>
        objects.remove(hash)
        wrapped.getCause match {
          case gone: ServiceUnavailable => throw gone
          case other => throw new ServiceUnavailable(Refusal("SW511", "reason" -> other.toString), poisoned = false)
        }
    }
  }

  /** Where the service found llvmlite's library, once it runs. */
  def llvmlite(command: ServiceCommand): Option[String] =
    try client(command).hello(objectTimeout).llvmlite
    catch { case _: ServiceUnavailable => None }

  /** Bytes of the models that the driver remembers. */
  def modelBytes: Long = models.bytes

  /** The services' process ids, for metrics and tests. */
  def pids: Seq[Long] = services.values().asScala.flatMap(_.pid).toSeq

  def starts: Long = services.values().asScala.map(_.starts.get).sum

  def failures: Long = services.values().asScala.map(_.failed.get).sum

  def close(): Unit = {
    background.shutdownNow()
    services.values().asScala.foreach(_.close())
    services.clear()
  }

  private def client(command: ServiceCommand): ServiceClient =
    services.computeIfAbsent(command, _ => new ServiceClient(command, conf))

  /** Whether the files that a reply depends on are those that it was made of. */
  private def unchanged(reply: CompileReply): Boolean = reply match {
    case made: Compiled => made.files.forall(_.untouched)
    case _ => true
  }

  /** The reply with its blocks; None when one of them is gone, and the service has to be asked again. */
  private def withModels(reply: CompileReply): Option[CompileReply] = reply match {
    case made: Compiled =>
      val found = made.blocks.map(models.get)
      Option.when(found.forall(_.isDefined))(made.copy(models = found.flatten))
    case other => Some(other)
  }

  private def ask(request: PipelineRequest, nullable: Set[Int], timeoutMs: Long): CompileReply = {
    val has = models.all
    val header = request.withStates(nullable)
    if (has.nonEmpty) has.foldLeft(header.putArray("has"))((array, block) => array.add(block.digest))
    exchange(request, header, timeoutMs) match {
      case Left(refusals) => Refused(refusals)
      case Right(frame) => CompileReply.read(request, frame, has)
    }
  }

  /** The service's answer to `header` with the payloads of `request`, or why there is none. */
  private def exchange(request: PipelineRequest, header: ObjectNode, timeoutMs: Long): Either[Seq[Refusal], Frame] = {
    val needed = math.max(1L, request.size / Compiler.BytesPerMs)
    if (needed > timeoutMs) { // rather than wait, and then end the service in the middle of it
      val seconds = s"${needed / 1000 + 1}s"
      return Left(Seq(Refusal("SW863", "bytes" -> f"${request.size}%,d", "limit" -> s"$timeoutMs ms", "needed" -> seconds)))
    }
    if (offences.get(request.key).exists(_ >= Compiler.MaxOffences)) {
      val reason = s"this pipeline ended or blocked it ${Compiler.MaxOffences} times; it is not tried again"
      return Left(Seq(Refusal("SW404", "reason" -> reason)))
    }
    try {
      val deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs)
      val service = client(request.service)
      service.hello(timeoutMs).numbaError match {
        case Some(reason) =>
          val refusal = Refusal("SW405", "python" -> request.service.python, "reason" -> reason)
          WarnOnce(s"numba:${request.service.python}", s"SparkWeld: queries run as Spark planned them. ${refusal.text}")
          Left(Seq(refusal))
        case None =>
          val left = math.max(1L, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime()))
          val frame = service.request(header, request.blobs, left)
          if (frame.status == "error") reportBug(frame)
          Right(frame)
      }
    } catch {
      case gone: ServiceUnavailable =>
        if (gone.poisoned) offences.put(request.key, offences.get(request.key).map(_.intValue).getOrElse(0) + 1)
        Left(Seq(gone.refusal))
    }
  }

  private def pending(command: ServiceCommand, program: String, hash: String): CompletableFuture[ObjectCode] = {
    val fresh = new CompletableFuture[ObjectCode]()
    val kept = objects.getOrElseUpdate(hash, fresh)
    if (kept eq fresh) background.execute { () =>
      try fresh.complete(requestObject(command, program))
      catch {
        case problem @ (NonFatal(_) | _: InterruptedException) => // interrupted: the application is stopping
          logDebug(s"SparkWeld: object code of $hash", problem)
          fresh.completeExceptionally(problem)
      }
    }
    kept
  }

  private def requestObject(command: ServiceCommand, program: String): ObjectCode = {
    val frame = client(command).request(Frame.newObject().put("op", "object").put("program", program), Nil, objectTimeout)
    if (frame.status == "refused") {
      val refusals = frame.json.path("refusals").elements().asScala.map(Refusal.fromJson).toSeq
      val first = refusals.headOption.getOrElse(Refusal("SW512", "what" -> "it refused without a reason"))
      throw new ServiceUnavailable(first, poisoned = false)
    }
    if (frame.status != "ok" || frame.blobs.isEmpty) {
      reportBug(frame)
      val reason = frame.text("message").getOrElse("no object code in the reply")
      throw new ServiceUnavailable(Refusal("SW511", "reason" -> reason), poisoned = false)
    }
    frame.text("warning").foreach(warning => WarnOnce(s"object:$warning", s"SparkWeld: $warning"))
    ObjectCode(
      symbol = frame.text("symbol").getOrElse(""),
      imports = frame.json.path("imports").elements().asScala.map(_.asText).toArray,
      cpu = frame.text("cpu").getOrElse(""),
      memory = frame.json.path("memory").asLong(0),
      bytes = frame.blobs.head)
  }

  private def reportBug(frame: Frame): Unit = {
    val message = frame.text("message").getOrElse("no message")
    val trace = frame.text("trace").getOrElse("")
    WarnOnce(s"service-error:$message", s"SparkWeld: INTERNAL_ERROR in the compile service: $message\n$trace")
  }
}

object Compiler {
  private val WarmUpMs = 60000L
  private val MaxOffences = 2
  private val RequestsPerReply = 4

  /** What the service reads and lays out of a large model in a millisecond, at the least: a forest took half of the time. */
  val BytesPerMs = 20000L

  /** Whether a refusal is of this moment: of the service's state, or of a time limit that the session may set. */
  private def passing(refusal: Refusal): Boolean = refusal.code.startsWith("SW4") || refusal.code == "SW863"
}
