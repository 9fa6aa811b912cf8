package io.sparkweld
package compile

import java.io.File
import java.nio.charset.StandardCharsets.UTF_8
import java.security.MessageDigest

import scala.collection.immutable.SortedMap

import io.sparkweld.SparkWeldConf
import io.sparkweld.contract.{CompileRequest, Encoder, ModelFile}
import io.sparkweld.host.Hexadecimal

/**
 * Represents a chain of plan nodes as a request to the compile service.
 *
 * `message` is a `compile` request in which every stateful input is dense; `blobs` are the payloads. Column names are numbered in
 * order of appearance, so planning the same query again yields the same request and the same `key`.
 */
final case class PipelineRequest(service: ServiceCommand, message: CompileRequest, blobs: Seq[Array[Byte]]) {

  lazy val key: String = {
    val digest = MessageDigest.getInstance("SHA-256")
    def add(bytes: Array[Byte]): Unit = {
      digest.update(Integer.toString(bytes.length).getBytes(UTF_8))
      digest.update(':'.toByte)
      digest.update(bytes)
    }
    add(service.python.getBytes(UTF_8))
    service.environment.toSeq.sorted.foreach { case (name, value) => add(s"$name=$value".getBytes(UTF_8)) }
    add(Encoder.bytes(message))
    blobs.foreach(blob => add(Digests.of(blob).getBytes(UTF_8)))
    Hexadecimal.of(digest.digest())
  }

  /** Identifies the request's functions, regardless of columns and `op`; the request itself when it has no Python functions. */
  lazy val functions: String = {
    val payloads = message.calls.map(_.payload).distinct.flatMap(blobs.lift(_)).map(Digests.of)
    if (payloads.isEmpty) key else payloads.sorted.mkString(" ")
  }

  /** Returns the CPU time that the service may use for this request. */
  def cpuMs: Long = message.cpuMs.getOrElse(SparkWeldConf.CompileCpuTime.defaultValue)

  /** Bytes of the functions and of the broadcasts that they use, which the compile service must read. */
  lazy val size: Long = {
    val paths = message.calls.flatMap(_.broadcasts).map(_.path).distinct
    blobs.map(_.length.toLong).sum + paths.map(new File(_).length).sum
  }

  /**
   * Returns the same request, restricted to these files and modules. Where functions load files or import modules, results are
   * then also identified by the contents.
   */
  def waiting(files: Seq[ModelFile], modules: ModuleRecord): PipelineRequest = if (files.isEmpty && modules.isEmpty) this else {
    val wanted = Option.when(files.nonEmpty)(SortedMap(files.map(file => ModelFiles.nameOf(file) -> file.digest): _*))
    val digests = Option.when(!modules.isEmpty)(SortedMap(modules.modules.map(module => module.name -> module.digest): _*))
    val python = message.python
    copy(message = message.copy(python = python.copy(files = python.files.map(_.copy(wanted = wanted)), modules = digests)))
  }

  /** Returns the request for a batch in which the inputs of `nullable` (positions in "inputs") have NULLs. */
  def withStates(nullable: Set[Int]): CompileRequest = message.copy(inputs = message.inputs.zipWithIndex.map {
    case (input, i) if nullable(i) => input.copy(state = "nullable")
    case (input, _) => input
  })
}
