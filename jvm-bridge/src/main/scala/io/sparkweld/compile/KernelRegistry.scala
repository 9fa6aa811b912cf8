package io.sparkweld.compile

import java.util.LinkedHashMap
import java.util.concurrent.{CompletableFuture, ExecutionException}

import scala.util.control.NonFatal

import io.sparkweld.nativelib.{Kernel, NativeError}
import io.sparkweld.support.Refusal

/** One form of one pipeline: the request's key and which of its inputs have NULLs in the batch. */
final case class FormKey(request: String, nullable: Set[Int])

/**
 * A linked form: its kernel, which request inputs it loads and the digests of the blocks that it reads, in ABI order, and the
 * bytes of memory that a call of it wants.
 */
final class LinkedForm(val kernel: Kernel, val inputs: Array[Int], val blocks: Array[String], val memory: Long)

/**
 * There is no kernel for a form. `lasting`: asking again gives the same (refused); otherwise it is tried again after a
 * while. `environment`: no kernel at all can run here, whatever the batch.
 */
final class FormUnavailable(val refusal: Refusal, val lasting: Boolean, val environment: Boolean)
  extends RuntimeException(refusal.text)

/**
 * The kernels of this JVM. A form is loaded once, whoever asks first loads and the others wait. At most `capacity` are
 * kept; one that a task holds is never freed, so there may be more while they are held.
 */
final class KernelRegistry(capacity: Int, load: (FormKey, FormOrigin) => LinkedForm) {

  private final class Entry {
    val ready = new CompletableFuture[LinkedForm]()
    var holders = 0
    var failedAt = 0L
  }

  private val entries = new LinkedHashMap[FormKey, Entry](16, 0.75f, true)

  /** A form that its holder keeps alive until `close`, which may be called more than once. */
  final class Lease private[KernelRegistry] (val form: LinkedForm, entry: Entry) extends AutoCloseable {
    private var held = true

    def close(): Unit = KernelRegistry.this.synchronized {
      if (held) {
        held = false
        entry.holders -= 1
        trim()
      }
    }
  }

  /** The form, loaded if need be. Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin): Lease = {
    val (entry, mine) = synchronized {
      val present = entries.get(key)
      val entry = if (present != null && !expired(present)) present else new Entry
      if (entry ne present) entries.put(key, entry)
      entry.holders += 1
      (entry, entry ne present)
    }
    try {
      if (mine) loadInto(key, origin, entry)
      new Lease(entry.ready.get(), entry)
    } catch {
      case problem: Throwable =>
        synchronized { entry.holders -= 1 }
        throw (problem match {
          case wrapped: ExecutionException => wrapped.getCause
          case other => other
        })
    }
  }

  def size: Int = synchronized(entries.size())

  /** Frees every kernel that no task holds. */
  def close(): Unit = synchronized {
    entries.entrySet().removeIf(entry => entry.getValue.holders == 0 && free(entry.getValue))
    ()
  }

  private def loadInto(key: FormKey, origin: FormOrigin, entry: Entry): Unit =
    try {
      entry.ready.complete(load(key, origin))
      synchronized(trim())
    } catch {
      case unavailable: FormUnavailable =>
        if (!unavailable.lasting) entry.failedAt = System.nanoTime()
        entry.ready.completeExceptionally(unavailable)
      case problem: NativeError =>
        entry.ready.completeExceptionally(
          new FormUnavailable(Refusal("SW406", "reason" -> problem.getMessage), lasting = true, environment = true))
      case NonFatal(problem) =>
        entry.failedAt = System.nanoTime()
        entry.ready.completeExceptionally(
          new FormUnavailable(Refusal("SW510", "reason" -> problem.toString), lasting = false, environment = true))
      case fatal: Throwable =>
        entry.failedAt = System.nanoTime()
        entry.ready.completeExceptionally(fatal)
        throw fatal
    }

  private def expired(entry: Entry): Boolean =
    entry.failedAt != 0 && System.nanoTime() - entry.failedAt > KernelRegistry.RetryNanos

  private def trim(): Unit = {
    var excess = entries.size() - capacity
    val oldest = entries.entrySet().iterator()
    while (excess > 0 && oldest.hasNext) {
      val entry = oldest.next().getValue
      if (entry.holders == 0 && free(entry)) {
        oldest.remove()
        excess -= 1
      }
    }
  }

  private def free(entry: Entry): Boolean = {
    if (entry.ready.isDone && !entry.ready.isCompletedExceptionally) entry.ready.getNow(null).kernel.close()
    entry.ready.isDone
  }
}

object KernelRegistry {
  private val RetryNanos = java.util.concurrent.TimeUnit.SECONDS.toNanos(30)
}

/**
 * Where a form can be had again: the interpreter of the function's workers and what their environment adds.
 * Serialisable.
 */
final case class FormOrigin(service: ServiceCommand)
