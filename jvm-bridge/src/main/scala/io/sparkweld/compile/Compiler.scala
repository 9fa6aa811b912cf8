package io.sparkweld
package compile

import java.util.concurrent.{CompletableFuture, ConcurrentHashMap, ExecutionException, Executors, TimeUnit, TimeoutException}
import java.util.concurrent.atomic.AtomicLong

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

import io.sparkweld.SparkWeldConf
import io.sparkweld.contract.{CompileRequest, ErrorReply, ObjectReply, ObjectRequest, Operation}
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.SparkConf
import org.apache.spark.internal.Logging

/**
 * Compiles pipeline requests to programs and programs to object code, with the compile services of this JVM.
 *
 * There is one service for each interpreter and environment. Replies are cached by request and object code by program; concurrent
 * requests for the same key share one call.
 */
final class Compiler(conf: SparkConf) extends FunctionService with Logging {
  private val replies = new Lru[(String, Set[Int]), CompileReply](SparkWeldConf.CachedReplies.get(conf))
  private val translations = new Lru[String, Either[Seq[Refusal], Any]](SparkWeldConf.CachedReplies.get(conf))
  private val requests = new Lru[String, PipelineRequest](Compiler.RequestsPerReply * SparkWeldConf.CachedReplies.get(conf))
  private val objects = new Lru[String, CompletableFuture[ObjectCode]](SparkWeldConf.CachedReplies.get(conf))
  private val models = new ModelBlocks(SparkWeldConf.ModelsMemory.get(conf))
  private val condemned = new Condemned
  private val sightings = new Sightings
  private val compiling = new ConcurrentHashMap[(String, Set[Int]), CompletableFuture[CompileReply]]()
  private val translating = new ConcurrentHashMap[String, CompletableFuture[Either[Seq[Refusal], Any]]]()
  private val services = new ConcurrentHashMap[ServiceCommand, ServiceClient]()
  private val objectTimeout = SparkWeldConf.ObjectTimeout.get(conf)
  private val objectCpu = math.max(objectTimeout, SparkWeldConf.CompileCpuTime.get(conf))
  private val background = Executors.newFixedThreadPool(2, (body: Runnable) => {
    val thread = new Thread(body, "sparkweld-compile")
    thread.setDaemon(true)
    thread
  })

  val asked = new AtomicLong()
  val answeredFromCache = new AtomicLong()
  val refused = new AtomicLong()
  private val waited = new AtomicLong() // ns

  /** Returns how long callers have waited for replies: the planning of queries, for the driver's compiler. */
  def waitedMillis: Long = TimeUnit.NANOSECONDS.toMillis(waited.get)

  /** Returns the number of services that queries do not wait for: they do not start, or did not answer. */
  def unavailable: Long = services.values.asScala.count(_.isUnavailable).toLong

  /** Starts the service in the background, so that the first query need not wait for its imports; then runs `prepare`. */
  def warmUp(command: ServiceCommand)(prepare: => Unit): Unit = background.execute { () =>
    try {
      client(command).hello(Compiler.WarmUpMs)
      prepare
    } catch {
      case gone: ServiceUnavailable => logInfo(s"SparkWeld: warming up: ${gone.getMessage}")
      case stopped: InterruptedException => logDebug("SparkWeld: the application stopped while the service started", stopped)
    }
  }

  /**
   * Returns the program of `request` with NULLs in the inputs `nullable`, or the refusals. Waits as long as `patience` allows;
   * after that the compile continues in the background and its reply is cached for later queries. Failures of the service are not
   * cached.
   */
  def compile(request: PipelineRequest, nullable: Set[Int], patience: Patience): CompileReply = {
    requests.put(request.key, request)
    val key = (request.key, nullable)
    replies.get(key).filter(unchanged(_, found = false)).flatMap(withModels) match {
      case Some(made: Compiled) if patience.tiny && !isReady(request.service, made) =>
        Refused(Seq(Refusal("SW409", "what" -> "its object code is being generated")), lasting = false)
      case Some(reply) =>
        answeredFromCache.incrementAndGet()
        reply
      case None =>
        val reply = answered(compiling, key, request, patience)(ask(request, nullable)) match {
          case Right(made) if unchanged(made, found = true) => withModels(made).getOrElse(made)
          case Right(_) => Refused(Seq(Refusal("SW409", "what" -> "a file that its functions load has changed")), lasting = false)
          case Left(refusals) => Refused(refusals, lasting = false)
        }
        if (reply.isInstanceOf[Refused]) refused.incrementAndGet()
        reply
    }
  }

  private def remember(key: (String, Set[Int]), reply: CompileReply): Unit = reply match {
    case Refused(refusals, lasting) if !lasting || refusals.exists(Compiler.passing) => ()
    case made: Compiled =>
      made.models.foreach(models.put)
      replies.put(key, made.copy(models = Nil)) // model bytes are bounded separately from the number of replies
    case _ => replies.put(key, reply)
  }

  /** Waits and caches as `compile`. Answers are cached by the request, whose `op` decides their class. */
  override def answer[R](operation: Operation[R], request: PipelineRequest, patience: Patience): Either[Seq[Refusal], R] = {
    val found = translations.get(request.key) match {
      case Some(known) =>
        answeredFromCache.incrementAndGet()
        known
      case None =>
        val made = answered(translating, request.key, request, patience) {
          exchange(request, request.message).thenApply[Either[Seq[Refusal], Any]] { frame =>
            val made = frame.flatMap(_.answer(operation.decoder))
            if (frame.forall(_.isLasting) && !made.left.exists(_.exists(Compiler.passing))) translations.put(request.key, made)
            made
          }
        }.flatten
        if (made.isLeft) refused.incrementAndGet()
        made
    }
    found.map(_.asInstanceOf[R])
  }

  /** Returns the pending answer for `key`, or the one that `ask` starts. */
  private def once[K, T](underWay: ConcurrentHashMap[K, CompletableFuture[T]], key: K)(
      ask: => CompletableFuture[T]): CompletableFuture[T] = {
    val fresh = new CompletableFuture[T]()
    val known = underWay.putIfAbsent(key, fresh)
    if (known != null) known
    else {
      asked.incrementAndGet()
      def done(answer: T, problem: Throwable): Unit = {
        underWay.remove(key)
        if (problem == null) fresh.complete(answer) else fresh.completeExceptionally(problem)
      }
      try ask.whenComplete((answer, problem) => done(answer, problem))
      catch { case NonFatal(problem) => done(null.asInstanceOf[T], problem) }
      fresh
    }
  }

  /** Returns the answer if it arrives in time. Otherwise refuses with SW409 and leaves the answer to a later query. */
  private def answered[K, T](underWay: ConcurrentHashMap[K, CompletableFuture[T]], key: K, request: PipelineRequest, patience: Patience)(
      ask: => CompletableFuture[T]): Either[Seq[Refusal], T] =
    if (patience.tiny && !underWay.containsKey(key) && !sightings.again(request, patience)) {
      Left(Seq(Refusal("SW410")))
    } else {
      val service = client(request.service)
      val (later, waitMs) = (once(underWay, key)(ask), if (service.isSilent) 0L else patience.waitMs)
      val started = System.nanoTime()
      try Right(later.get(waitMs, TimeUnit.MILLISECONDS))
      catch {
        case _: TimeoutException =>
          patience.gaveUp()
          val silent = service.isSilent
          service.waitedInVain(waitMs)
          val what =
            if (silent) "the service has not answered an earlier query"
            else if (!service.isReady) "the service is still starting"
            else if (waitMs == 0) "the query is too small to wait for it, or has already waited"
            else s"no reply in $waitMs ms"
          Left(Seq(Refusal("SW409", "what" -> what)))
        case wrapped: ExecutionException => // an exhausted heap fails the compile, not the query
          throw (wrapped.getCause match {
            case NonFatal(problem) => problem
            case fatal => ServiceClient.unavailable(fatal)
          })
      } finally waited.addAndGet(System.nanoTime() - started)
    }

  /** Makes a request known to `compileKnown`, without compiling it. */
  def register(request: PipelineRequest): Unit = requests.put(request.key, request)

  /**
   * Returns a request whose only answer is the program `made`, even if the files that its functions load change later. Forms of
   * the program are identified by it.
   */
  def settled(request: PipelineRequest, made: Compiled): PipelineRequest = {
    val waiting = request.waiting(made.files, made.modules)
    if (waiting ne request) {
      requests.put(waiting.key, waiting)
      replies.put((waiting.key, Set.empty[Int]), made.copy(models = Nil))
    }
    waiting
  }

  /** As `compile`, for a request that was compiled before; None when it is no longer known. */
  def compileKnown(requestKey: String, nullable: Set[Int], patience: Patience): Option[(PipelineRequest, CompileReply)] =
    requests.get(requestKey).map(request => (request, compile(request, nullable, patience)))

  /** Has the object code of `program` made in the background, so that a task that requires it waits less. */
  def prefetch(command: ServiceCommand, program: String, hash: String): Unit = pending(command, program, hash)

  /** Whether the object code is ready; if not, has it made in the background. */
  private def isReady(command: ServiceCommand, made: Compiled): Boolean = pending(command, made.program, made.hash).isDone

  /** Returns the object code of `program` for this host's CPU. Throws ServiceUnavailable. */
  def objectCode(command: ServiceCommand, program: String, hash: String): ObjectCode = {
    val (future, service) = (pending(command, program, hash), client(command))
    try future.get(if (service.isSilent) 0L else objectTimeout, TimeUnit.MILLISECONDS)
    catch {
      case _: TimeoutException =>
        service.waitedInVain(objectTimeout)
        throw new ServiceUnavailable(Refusal("SW402", "what" -> s"no object code in $objectTimeout ms"), poisoned = false)
      case wrapped: ExecutionException =>
        wrapped.getCause match {
          case gone: ServiceUnavailable =>
            if (!gone.lasting) objects.remove(hash)
            throw gone
          case other =>
            objects.remove(hash)
            throw new ServiceUnavailable(Refusal("SW511", "reason" -> other.toString), poisoned = false)
        }
    }
  }

  /** Returns the path of llvmlite's library as found by the service, once the service runs. */
  def llvmlite(command: ServiceCommand): Option[String] =
    try client(command).hello(objectTimeout).llvmlite
    catch { case _: ServiceUnavailable => None }

  /** Returns the bytes of the models that the driver caches. */
  def modelBytes: Long = models.bytes

  /** Returns the services' process ids, for metrics and tests. */
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

  /** Whether a reply's files and modules are unchanged since it was made; `found`: the service has just resolved the modules. */
  private def unchanged(reply: CompileReply, found: Boolean): Boolean = reply match {
    case made: Compiled => made.files.forall(ModelFiles.isUntouched) && made.modules.untouched && (found || made.modules.foundFirst)
    case _ => true
  }

  /** Returns the reply with its blocks; None when one was evicted, so that the service must be asked again. */
  private def withModels(reply: CompileReply): Option[CompileReply] = reply match {
    case made: Compiled =>
      val found = made.blocks.map(models.get)
      Option.when(found.forall(_.isDefined))(made.copy(models = found.flatten))
    case other => Some(other)
  }

  private def ask(request: PipelineRequest, nullable: Set[Int]): CompletableFuture[CompileReply] = {
    val has = models.all
    val message = request.withStates(nullable).copy(has = Option.when(has.nonEmpty)(has.map(_.digest)))
    exchange(request, message).thenApply[CompileReply] { answer =>
      val reply = answer.fold(Refused(_), CompileReply.read(request, _, has))
      remember((request.key, nullable), reply)
      reply
    }
  }

  /** Returns the service's answer to `message` with the payloads of `request`, or the refusals. */
  private def exchange(request: PipelineRequest, message: CompileRequest): CompletableFuture[Either[Seq[Refusal], Frame]] =
    tooLarge(request).orElse(condemned.find(request)) match {
      case Some(refusal) => CompletableFuture.completedFuture(Left(Seq(refusal)))
      case None =>
        client(request.service).submit(message, request.blobs, request.cpuMs).handle[Either[Seq[Refusal], Frame]] {
          case (Right(frame), null) =>
            frame.error.foreach(reportBug)
            condemned.read(request, frame)
            Right(frame)
          case (Left(numba), null) =>
            val refusal = Refusal("SW405", "python" -> request.service.python, "reason" -> numba)
            WarnOnce(s"numba:${request.service.python}", s"SparkWeld: queries run as Spark planned them. ${refusal.text}")
            Left(Seq(refusal))
          case (_, problem) =>
            val gone = ServiceClient.unavailable(problem)
            if (gone.poisoned) condemned.add(request, gone)
            Left(Seq(gone.refusal))
        }
    }

  /** Refuses with SW863, without asking the service, when only reading the functions would exceed the CPU limit. */
  private def tooLarge(request: PipelineRequest): Option[Refusal] = {
    val needed = math.max(1L, request.size / Compiler.BytesPerMs)
    Option.when(needed > request.cpuMs) {
      val seconds = s"${needed / 1000 + 1}s"
      Refusal("SW863", "bytes" -> f"${request.size}%,d", "limit" -> s"${request.cpuMs} ms", "needed" -> seconds)
    }
  }

  private def pending(command: ServiceCommand, program: String, hash: String): CompletableFuture[ObjectCode] = {
    val fresh = new CompletableFuture[ObjectCode]()
    val kept = objects.getOrElseUpdate(hash, fresh)
    if (kept eq fresh) background.execute { () =>
      try fresh.complete(requestObject(command, program))
      catch {
        case wrapped: ExecutionException => fresh.completeExceptionally(ServiceClient.unavailable(wrapped.getCause))
        case problem @ (NonFatal(_) | _: InterruptedException) => // interrupted: the application is stopping
          logDebug(s"SparkWeld: object code of $hash", problem)
          fresh.completeExceptionally(problem)
      }
    }
    kept
  }

  private def requestObject(command: ServiceCommand, program: String): ObjectCode = {
    def unavailable(refusal: Refusal) = new ServiceUnavailable(refusal, poisoned = false)
    val frame = client(command).submit(ObjectRequest("object", program), Nil, objectCpu).get() match {
      case Right(made) => made
      case Left(numba) => throw unavailable(Refusal("SW405", "python" -> command.python, "reason" -> numba))
    }
    frame.error.foreach(reportBug)
    val reply = frame.answer[ObjectReply].fold(refusals => throw unavailable(refusals.head), identity)
    val bytes = frame.blobs.headOption.getOrElse(throw unavailable(Refusal("SW512", "what" -> "it contains no object code")))
    reply.warning.foreach(warning => WarnOnce(s"object:$warning", s"SparkWeld: $warning"))
    ObjectCode(reply.symbol, reply.imports.toArray, reply.cpu, reply.memory, bytes)
  }

  private def reportBug(error: ErrorReply): Unit =
    WarnOnce(s"service-error:${error.message}", s"SparkWeld: INTERNAL_ERROR in the compile service: ${error.message}\n${error.trace}")
}

object Compiler {
  private val WarmUpMs = 60000L
  private val RequestsPerReply = 4

  /**
   * Lower bound of the bytes of a large model that the service reads and lays out per millisecond; a forest was twice as fast.
   */
  val BytesPerMs = 20000L

  /** Whether a refusal is temporary: it depends on the service's state, or on a time limit that the session may set. */
  private def passing(refusal: Refusal): Boolean = refusal.has("temporary")
}
