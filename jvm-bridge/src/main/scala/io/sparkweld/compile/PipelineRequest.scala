package io.sparkweld.compile

import java.io.File
import java.nio.charset.StandardCharsets.UTF_8
import java.security.MessageDigest
import java.util.HexFormat

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.SparkWeldConf
import io.sparkweld.support.Refusal

/**
 * Represents a chain of plan nodes as a request to the compile service.
 *
 * `json` is a `compile` request in which every stateful input is dense; `blobs` are the payloads. Column names are numbered in
 * order of appearance, so planning the same query again yields the same request and the same `key`.
 */
final class PipelineRequest(val service: ServiceCommand, val json: ObjectNode, val blobs: Seq[Array[Byte]]) {

  lazy val key: String = {
    val digest = MessageDigest.getInstance("SHA-256")
    def add(bytes: Array[Byte]): Unit = {
      digest.update(Integer.toString(bytes.length).getBytes(UTF_8))
      digest.update(':'.toByte)
      digest.update(bytes)
    }
    add(service.python.getBytes(UTF_8))
    service.environment.toSeq.sorted.foreach { case (name, value) => add(s"$name=$value".getBytes(UTF_8)) }
    add(Frame.mapper.writeValueAsBytes(json))
    blobs.foreach(blob => add(Digests.of(blob).getBytes(UTF_8)))
    HexFormat.of().formatHex(digest.digest())
  }

  /** Identifies the request's functions, regardless of columns and `op`; the request itself when it has no Python functions. */
  lazy val functions: String = {
    val payloads = PipelineRequest.functionsOf(json).map(_._2).distinct.flatMap(blobs.lift(_)).map(Digests.of).toSeq
    if (payloads.isEmpty) key else payloads.sorted.mkString(" ")
  }

  /** Returns the CPU time that the service may use for this request. */
  def cpuMs: Long = json.path(PipelineRequest.CpuMs).asLong(SparkWeldConf.CompileCpuTime.defaultValue)

  /** Bytes of the functions and of the broadcasts that they use, which the compile service must read. */
  lazy val size: Long = {
    val paths = json.findValues("broadcasts").asScala.flatMap(_.elements().asScala).map(_.path("path").asText).toSet
    blobs.map(_.length.toLong).sum + paths.toSeq.map(new File(_).length).sum
  }

  /**
   * Returns the same request, restricted to these files and modules. Where functions load files or import modules, results are
   * then also identified by the contents.
   */
  def waiting(files: Seq[ModelFile], modules: ModuleRecord): PipelineRequest = if (files.isEmpty && modules.isEmpty) this else {
    val copy = json.deepCopy()
    copy.path("python").path("files") match {
      case given: ObjectNode if files.nonEmpty =>
        val wanted = given.putObject("wanted")
        files.sortBy(_.path).foreach(file => wanted.put(file.name, file.digest))
      case _ => ()
    }
    copy.path("python") match {
      case python: ObjectNode if !modules.isEmpty =>
        val wanted = python.putObject("modules")
        modules.modules.foreach(module => wanted.put(module.name, module.digest))
      case _ => ()
    }
    new PipelineRequest(service, copy, blobs)
  }

  /** Returns the request for a batch in which the inputs of `nullable` (positions in "inputs") have NULLs. */
  def withStates(nullable: Set[Int]): ObjectNode = {
    val copy = json.deepCopy()
    copy.get("inputs").elements().asScala.zipWithIndex.foreach {
      case (input: ObjectNode, i) if nullable(i) => input.put("state", "nullable")
      case _ => ()
    }
    copy
  }
}

object PipelineRequest {
  val CpuMs = "cpuMs"

  /** Returns the calls of functions in a request: name, and number of the payload. */
  def functionsOf(json: JsonNode): Iterator[(String, Int)] = {
    val own = if (json.path("payload").isInt) Iterator(json.path("name").asText -> json.path("payload").asInt) else Iterator.empty
    own ++ json.elements().asScala.flatMap(functionsOf)
  }
}

/** The result of compiling a pipeline: a program or refusals. */
sealed trait CompileReply

/** A refused pipeline. `lasting`: a retry has the same result, which is false when the answer depends on files. */
final case class Refused(refusals: Seq[Refusal], lasting: Boolean = true) extends CompileReply

/**
 * A program in text form, with the columns that its kernel loads (`inputs`: positions in the request's "inputs", ABI order) and
 * stores.
 *
 * `flags`: it stores one more column, NULL in rows that it did not decide. `repeatable`: equal rows have equal results in any
 * batch. `piecewise`: no row makes the whole batch run elsewhere. `batchwise`: why a row's result may change when Spark would
 * batch the rows of the request differently. `batchRows`: the number of rows from which a batch is cheap (0: any). `blocks`:
 * digests of the constants that it reads, ABI order; `models`: these constants, when a plan is made. `files`: the files that its
 * functions have loaded; `modules`: the modules that they import.
 */
final case class Compiled(
    program: String,
    hash: String,
    inputs: Array[Int],
    outputTypes: Seq[String],
    flags: Boolean,
    filtered: Boolean,
    guarded: Boolean,
    repeatable: Boolean,
    piecewise: Boolean,
    batchwise: Option[String],
    batchRows: Int,
    approximate: Seq[String],
    notes: Seq[String],
    fused: Seq[String],
    nodes: Int,
    blocks: Seq[String],
    vectors: Seq[VectorShape],
    watched: Seq[Watch],
    models: Seq[ModelBlock],
    files: Seq[ModelFile],
    modules: ModuleRecord) extends CompileReply {

  /** Returns the number of columns that its kernel stores. */
  def stored: Int = outputTypes.size + (if (flags) 1 else 0)
}

/**
 * An ML vector among the outputs: its last `size` unclaimed outputs, and Spark's storage form for it, as VectorColumn expects.
 */
final case class VectorShape(size: Int, form: String)

object CompileReply {
  /** Reads the reply to `request`, asked with the blocks of `has`. Refuses with SW512 a reply that does not fit its request. */
  def read(request: PipelineRequest, frame: Frame, has: Seq[ModelBlock]): CompileReply = frame.status match {
    case "ok" => compiled(request, frame, has)
    case "refused" =>
      val refusals = frame.json.path("refusals").elements().asScala.map(Refusal.fromJson).toSeq
      Refused(if (refusals.isEmpty) Seq(Refusal("SW512", "what" -> "it refused without a reason")) else refusals, lasting(frame))
    case "error" =>
      Refused(Seq(Refusal("SW511", "reason" -> frame.text("message").getOrElse("no message"))))
    case other => Refused(Seq(Refusal("SW512", "what" -> s"its status is '$other'")))
  }

  /** Whether a retry has the same result: the answer depends on no file and on no user module. */
  def lasting(frame: Frame): Boolean = ModelFile.in(frame.json).isEmpty && ModuleRecord.in(frame.json).isEmpty &&
    !frame.json.path("refusals").elements().asScala.exists(refusal => Refusal.fromJson(refusal).has("files"))

  private def compiled(request: PipelineRequest, frame: Frame, has: Seq[ModelBlock]): CompileReply = {
    def strings(node: JsonNode): Seq[String] = node.elements().asScala.map(_.asText).toSeq
    val json = frame.json
    val names = request.json.get("inputs").elements().asScala.map(_.get("name").asText).zipWithIndex.toMap
    val inputs = strings(json.path("inputs"))
    val wanted = strings(request.json.get("outputs"))
    val outputs = json.path("outputs").elements().asScala.toSeq
    val unknown = inputs.filterNot(names.contains)
    if (unknown.nonEmpty) return mismatch(s"it loads ${unknown.mkString(", ")}, which was not offered")
    val vectors = json.path("vectors").elements().asScala.map(v => VectorShape(v.path("size").asInt, v.path("form").asText)).toSeq
    val watched = json.path("watched").elements().asScala.map(Watch.read).toSeq
    val numbers = outputs.size - wanted.size - watched.size
    if (outputs.take(wanted.size).map(_.path("name").asText) != wanted || vectors.map(_.size).sum != numbers ||
        vectors.size != request.json.path("vectors").size) return mismatch("its outputs are not the requested ones")
    val mayFilter = request.json.path("mayFilter").asBoolean // a map function decides for itself
    if (!mayFilter && json.path("filtered").asBoolean != request.json.get("filtered").asBoolean) {
      return mismatch("the reply and the plan disagree about a filter")
    }
    if (frame.text("program").forall(_.isEmpty)) return mismatch("it contains no program")
    val found = modelsOf(frame, has)
    if (found.isEmpty) return mismatch("the bytes of its models do not match their description")
    Compiled(
      program = frame.text("program").get,
      hash = frame.text("hash").getOrElse(""),
      inputs = inputs.map(names).toArray,
      outputTypes = outputs.map(_.path("type").asText),
      flags = json.path("flags").asBoolean,
      filtered = json.path("filtered").asBoolean,
      guarded = json.path("guarded").asBoolean,
      repeatable = json.path("repeatable").asBoolean,
      piecewise = json.path("piecewise").asBoolean,
      batchwise = Option(json.get("batchwise")).filter(_.isTextual).map(_.asText),
      batchRows = json.path("batchRows").asInt(0),
      approximate = json.path("kept").elements().asScala
        .map(kept => s"${kept.path("op").asText} (${kept.path("bound").asText})").toSeq,
      notes = json.path("udfs").elements().asScala
        .map(udf => s"${udf.path("name").asText}: ${strings(udf.path("notes")).mkString("; ")}").toSeq.distinct,
      fused = strings(json.path("fused")),
      nodes = json.path("nodes").asInt(0),
      blocks = found.get.map(_.digest),
      vectors = vectors,
      watched = watched,
      models = found.get,
      files = ModelFile.in(json),
      modules = ModuleRecord.in(json))
  }

  /** Returns the program's blocks: those of `has`, and new ones from the frame's blobs, in their order. */
  private def modelsOf(frame: Frame, has: Seq[ModelBlock]): Option[Seq[ModelBlock]] = {
    val known = has.map(block => block.digest -> block).toMap
    val blobs = frame.blobs.iterator
    val found = frame.json.path("blocks").elements().asScala.toSeq.map { about =>
      val (digest, size) = (about.path("digest").asText, about.path("bytes").asLong)
      known.get(digest).orElse(blobs.nextOption().map(blob => new ModelBlock(digest, blob.length.toLong, blob))).filter(_.size == size)
    }
    Option.when(found.forall(_.isDefined) && blobs.isEmpty)(found.flatten)
  }

  private def mismatch(what: String): CompileReply = Refused(Seq(Refusal("SW512", "what" -> what)))
}

/**
 * Machine code of one program for one kind of CPU, with the data needed to link it. `memory`: bytes that each call must receive,
 * when the program has blocks.
 */
final case class ObjectCode(symbol: String, imports: Array[String], cpu: String, memory: Long, bytes: Array[Byte])
