package io.sparkweld
package nativelib

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import java.security.MessageDigest

import scala.collection.mutable

import io.sparkweld.host.{Hexadecimal, SafeFiles}

/**
 * Links object code into this process with the LLJIT of llvmlite's shared library.
 *
 * A process has one instance ([[NativeRuntime.get]]), which is never closed. Methods may be called from any thread.
 */
final class NativeRuntime private (handle: Long, val llvmlitePath: String) {
  private var linked = 0
  private var serial = 0L

  /** This CPU as `<name>|<first 16 hex digits of the SHA-256 of its features>`, the format of the compile service. */
  val cpu: String = {
    val features = NativeRuntime.flatten(Shim.cpuFeatures(handle))
    val digest = MessageDigest.getInstance("SHA-256").digest(features.getBytes(UTF_8))
    s"${Shim.cpuName(handle)}|${Hexadecimal.of(digest).take(16)}"
  }

  /** Returns the number of kernels made by [[link]] and not closed yet. */
  def kernelsLinked: Int = synchronized(linked)

  /**
   * Links the relocatable object and returns its function `symbol`. Looks up each of `imports` in libm, libmvec and libc. Throws
   * NativeError when an import is missing, the object is invalid, or it lacks the symbol.
   */
  def link(objectCode: Array[Byte], symbol: String, imports: Array[String]): Kernel = {
    val names = imports.distinct.map(_.getBytes(UTF_8))
    val addresses = names.map(Shim.resolve)
    val out = new Array[Long](2)
    synchronized {
      serial += 1 // LLVM accepts the name of a library only once
      Shim.link(handle, s"$symbol.$serial".getBytes(UTF_8), objectCode, symbol.getBytes(UTF_8), names, addresses, out)
      linked += 1
    }
    new Kernel(this, symbol, out(0), out(1))
  }

  private[nativelib] def unlink(tracker: Long): Unit = synchronized {
    linked -= 1
    Shim.unlink(handle, tracker)
  }
}

object NativeRuntime {
  @volatile private var running: Option[NativeRuntime] = None
  private val failures = mutable.Map.empty[Option[String], NativeError]

  /**
   * Returns the process's runtime; the first call starts it.
   *
   * Tries `llvmliteHint` first, when that file exists on this host and no other user can have put it there. Otherwise, or when it
   * is unusable, asks `pythonExec` for its llvmlite. Throws NativeError; from then on the same hint fails at once, and another
   * hint is tried anew.
   */
  def get(llvmliteHint: Option[String], pythonExec: => String): NativeRuntime =
    running.getOrElse(synchronized(running.getOrElse {
      failures.get(llvmliteHint).foreach(first => throw new NativeError(first.getMessage, first))
      try {
        val started = start(llvmliteHint, pythonExec)
        running = Some(started)
        started
      } catch {
        case e: NativeError =>
          failures.put(llvmliteHint, e)
          throw e
      }
    }))

  private def start(hint: Option[String], pythonExec: => String): NativeRuntime = {
    Shim.load()
    val hinted = hint.filter(path => Files.isRegularFile(Paths.get(path)) && SafeFiles.isOwn(Paths.get(path)))
    try {
      hinted match {
        case Some(path) => open(path)
        case None => open(LlvmliteLocator.locate(pythonExec))
      }
    } catch {
      case first: NativeError if hinted.isDefined =>
        // On this host the driver's path may name a file of another build; this host's Python may still have a usable one.
        try open(LlvmliteLocator.locate(pythonExec))
        catch {
          case second: NativeError =>
            second.addSuppressed(first)
            throw new NativeError(s"${first.getMessage}; and then ${second.getMessage}", second)
        }
    }
  }

  private def open(path: String): NativeRuntime = new NativeRuntime(Shim.open(path.getBytes(UTF_8)), path)

  /** Formats the features as llvmlite's `FeatureMap.flatten()`: sorted by name; the last mention of a name wins. */
  private[nativelib] def flatten(features: String): String =
    features.split(',').filter(_.nonEmpty).map(f => f.substring(1) -> f.charAt(0)).toMap.toSeq
      .sortBy(_._1).map { case (name, sign) => s"$sign$name" }.mkString(",")
}
